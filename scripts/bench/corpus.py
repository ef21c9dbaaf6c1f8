"""Made-up phrases, posts and subscriptions, Korean and English mixed; the same for the same seed."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from random import Random

from pipeline.fanout.phrases import Phrase, parse_phrase

BODY_CHARACTERS = 500


def _split(*lines: str) -> list[str]:
    return [word for line in lines for word in line.split()]


# Compound nouns of notices and job boards: first and second part make one ("국가장학금" is 국가 and 장학금).
_KOREAN_FIRST = _split(
    "국가 지역 대학 청년 신입 경력 연구 전산 행정 간호 교육 문화 예술 체육 환경 에너지 반도체 자동차 금융 보험",
    "부동산 주택 공공 민간 국제 해외 국내 서울 부산 대구 인천 광주 대전 울산 세종 제주 여성 아동 노인 장애인",
    "농업 수산 관광 항공 철도 물류 디자인 마케팅",
)
_KOREAN_SECOND = _split(
    "장학금 채용 공고 모집 인턴 공모전 세미나 특강 지원금 대출 청약 입찰 계약 시험 면접 합격자 기숙사 등록금",
    "수강신청 졸업 논문 학술지 봉사단 동아리 박람회 설명회 캠프 워크숍 연수 교환학생 아르바이트 정규직 계약직",
    "조교 강사 교수 연구원 개발자 기획자 디자이너 보조금 바우처 임대 분양 매매 할인 이벤트 공연",
)
_KOREAN_THIRD = _split(
    "안내 신청 결과 일정 변경 연장 마감 발표 접수 추가 긴급 최종 상반기 하반기 온라인 오프라인 무료 특별 정기 수시"
)
_ENGLISH = _split(
    "data engineer backend frontend python java node.js c++ c# .net react kotlin golang rust cloud security network",
    "intern senior junior remote contract scholarship research grant seminar workshop exam result notice deadline",
    "housing rent lease sale camera laptop keyboard monitor bicycle concert museum theatre travel flight hotel",
    "medical nurse teacher lecture library campus sports football tennis marathon energy battery vehicle robot",
)
_SYLLABLES = [first + vowel + last for first in "bdfgklmnprstvz" for vowel in "aeiou" for last in ("", "n", "r", "l")]


@dataclass(frozen=True, kw_only=True)
class BenchPost:
    """What a spider would have found."""

    title: str
    body: str


def phrases(count: int, *, seed: int) -> list[Phrase]:
    """So many distinct phrases, the most wanted first: words, compounds, several words, quotations."""
    random = Random(seed)  # noqa: S311
    found: dict[Phrase, None] = {}
    while len(found) < count:
        found[parse_phrase(_phrase(random))] = None
    return list(found)


def posts(count: int, wanted: Sequence[Phrase], *, seed: int) -> Iterator[BenchPost]:
    """So many posts with a body of about 500 characters, in which popular phrases turn up more often."""
    random = Random(seed)  # noqa: S311
    weights = popularity(len(wanted))
    for _ in range(count):
        title = " ".join(_words(random, wanted, weights, 8))
        body = ""
        while len(body) < BODY_CHARACTERS:
            body += " ".join(_words(random, wanted, weights, 10)) + ". "
        yield BenchPost(title=title, body=body[:BODY_CHARACTERS])


def subscriptions(users: int, each: int, phrase_count: int, *, seed: int) -> Iterator[tuple[int, int]]:
    """(user number, phrase number), both from 0: each user wants `each` different phrases, popular ones more often."""
    random = Random(seed)  # noqa: S311
    weights = popularity(phrase_count)
    numbers = range(phrase_count)
    for user in range(users):
        chosen: dict[int, None] = {}
        while len(chosen) < min(each, phrase_count):
            chosen.update(dict.fromkeys(random.choices(numbers, cum_weights=weights, k=each)))
        for number in list(chosen)[:each]:
            yield user, number


def popularity(count: int) -> list[float]:
    """Cumulative weights after Zipf: the n-th phrase is wanted 1/n as often as the first."""
    return list(accumulate(1 / rank for rank in range(1, count + 1)))


def _phrase(random: Random) -> str:
    sort = random.random()
    if sort < 0.35:
        return _compound(random) + (random.choice(_KOREAN_THIRD) if random.random() < 0.9 else "")
    if sort < 0.5:
        return f"{_compound(random)} {_compound(random)}"
    if sort < 0.55:
        return f'"{_compound(random)} {random.choice(_KOREAN_THIRD)}"'
    if sort < 0.8:
        return random.choice(_ENGLISH) if random.random() < 0.05 else _name(random)
    if sort < 0.95:
        return f"{random.choice(_ENGLISH)} {_name(random)}"
    return f"{random.choice(_ENGLISH)} {_compound(random)}{random.choice(_KOREAN_THIRD)}"


def _compound(random: Random) -> str:
    return random.choice(_KOREAN_FIRST) + random.choice(_KOREAN_SECOND)


def _name(random: Random) -> str:
    return "".join(random.choices(_SYLLABLES, k=random.choice((2, 3, 3))))


def _words(random: Random, wanted: Sequence[Phrase], weights: list[float], count: int) -> Iterator[str]:
    """Words of a sentence: two in ten are somebody's phrase, the others come from the same vocabulary."""
    for _ in range(count):
        if random.random() < 0.2:
            yield random.choices(wanted, cum_weights=weights)[0].text.replace('"', "")
        elif random.random() < 0.4:
            yield _compound(random) + random.choice(("", "을", "이", " " + random.choice(_KOREAN_THIRD)))
        else:
            yield random.choice(_ENGLISH).capitalize()
