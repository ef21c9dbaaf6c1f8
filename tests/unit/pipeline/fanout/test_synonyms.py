import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.fanout.matcher import Matcher, normalise, parse_phrase, through_synonyms
from pipeline.fanout.synonyms import NONE, Synonyms, SynonymsError, SynonymsFile, read_synonyms
from tests.unit.pipeline.fanout import slow_matching

SHOP = read_synonyms(
    'groups = [["알바", "아르바이트", "part-time", "Part  Time"], ["채용", { term = "구인", kind = "word" }]]'
)


def found(raw: str, title: str, body: str = "", synonyms: Synonyms = SHOP) -> bool:
    phrase = parse_phrase(raw)
    return bool(Matcher([(1, phrase.text, phrase.kind)], synonyms).find(title, body).all_ids)


@pytest.mark.parametrize(
    ("phrase", "title", "hit"),
    [
        ("알바", "단기 아르바이트 모집", True),
        ("알바", "아르 바이트생 구함", True),
        ("아르바이트", "카페 알바", True),
        ("알바", "Part time barista", True),
        ("PART-TIME", "카페 알바", True),
        ("part time", "카페 알바", False),
        ('"part time"', "카페 알바", True),
        # Each term of a phrase by itself, in title and body.
        ("카페 알바", "카페 아르바이트", True),
        ("카페 알바", "도서관 아르바이트", False),
        # A member's own kind.
        ("채용", "번역가 구인", True),
        ("채용", "학부생 연구인턴", False),
        ("구인", "학부생 연구인턴", True),
        ("구인", "직원 채용", True),
        # As it is, and nothing else.
        ('"아르바이트"', "카페 알바", False),
        ('"아르바이트"', "아르바이트", True),
        ("개발자", "developer", False),
    ],
)
def test_a_term_is_found_by_the_other_words_of_its_group(phrase, title, hit):
    assert found(phrase, title) is hit
    assert found(phrase, "제목", title) is hit


def test_the_phrase_is_where_its_synonym_stands():
    rows = [
        (1, "알바", "substring"),
        (2, "카페", "substring"),
        (3, "아르바이트", "substring"),
        (4, "카페 알바", "substring"),
    ]
    matcher = Matcher(rows[:1], SHOP).extended(rows[1:])
    assert matcher.find("아르바이트, 카페").all_ids == (3, 4, 1, 2)
    assert matcher.find("카페", "알바").title_ids == (2,)
    assert matcher.find("카페", "알바").all_ids == (4, 2, 3, 1)


def test_it_is_told_through_which_synonym_a_phrase_was_found():
    phrase = ("알바 카페", "substring")
    assert through_synonyms(*phrase, SHOP, "카페", "아르바이트 part-time") == ("아르바이트", "part-time")
    assert through_synonyms(*phrase, SHOP, "카페 알바", "아르바이트") == ()
    # Stored before a line meant "or", and no phrase any more.
    assert through_synonyms("a | 알바", "word", SHOP, "아르바이트") == ("아르바이트",)


words = st.sampled_from(["알바", "아르바이트", "part-time", "part time", "카페", "art", "바이", "time", "구인", "채용"])


@given(
    st.lists(st.lists(words, min_size=1, max_size=2), min_size=1, max_size=4, unique_by=tuple),
    st.lists(words, max_size=4),
    st.sampled_from(["", " ", ", "]),
)
def test_the_matcher_finds_what_the_slow_one_finds_by_any_word_of_a_group(phrases, post, between):
    title = normalise(between.join(post))
    parsed = [parse_phrase(" ".join(words)) for words in phrases]
    rows = [(key, phrase.text, phrase.kind) for key, phrase in enumerate(parsed)]

    def stands(term: str, exact: bool, phrase: str, kind: str) -> bool:
        others = [] if exact and slow_matching.is_compound(term) else SHOP.of(term)
        return slow_matching.term_stands(term, exact, phrase, kind, title) or any(
            slow_matching.matches(f'"{m.term}"' if " " in m.term else m.term, m.kind, title) for m in others
        )

    wanted = [
        key for key, text, kind in rows if all(stands(*term, text, kind) for term in slow_matching.terms_of(text))
    ]
    assert sorted(Matcher(rows, SHOP).find(title).title_ids) == wanted


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("groups = [", "not TOML"),
        ('group = [["a1", "b1"]]', "'group'"),
        ('groups = ["알바", "아르바이트"]', "list of lists"),
        ('groups = [["알바"]]', "group 1 has fewer than two"),
        ('groups = [["알바", "아르바이트"], ["단기", "알바"]]', "'알바' stands twice"),
        ('groups = [["알바", "알바 "]]', "'알바' stands twice"),
        ('groups = [["알바", 7]]', "group 1: '7' is neither"),
        ('groups = [["알바", { word = "x1" }]]', "group 1: "),
        ('groups = [["알바", { term = "구인", kind = "regex" }]]', "unknown kind 'regex'"),
        ('groups = [["알바", "a"]]', "group 1: the phrase"),
        ("groups = [[\"알바\", '“part” time']]", "leave it out"),
        ('groups = [["알바", ""]]', "is empty"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_with_the_reason(tmp_path, text, reason):
    file = tmp_path / "synonyms.toml"
    file.write_text(text, "utf-8")
    with pytest.raises(SynonymsError) as error:
        SynonymsFile(file).read()
    assert str(error.value).startswith(f"SYNONYMS_FILE, {file}: ")
    assert reason in str(error.value)


def test_a_changed_file_is_read_again_and_a_broken_one_leaves_things_as_they_were(tmp_path, caplog):
    file = tmp_path / "synonyms.toml"
    synonyms = SynonymsFile(file)
    # Given a file that is not there yet
    assert synonyms.current().groups == ()
    assert "No such file" in caplog.text
    # When it comes, then it is read, once
    file.write_text('groups = [["알바", "아르바이트"]]', "utf-8")
    first = synonyms.current()
    assert len(first.groups) == 1
    assert synonyms.current() is first
    # When it breaks, then that is logged once, and nothing changes
    file.write_text("groups = [", "utf-8")
    caplog.clear()
    assert synonyms.current() is synonyms.current() is first
    assert len(caplog.records) == 1
    # When it is replaced by one of the same size and time, then that is read
    other = tmp_path / "other"
    other.write_text('groups = [["채용", "구인", "공채"]]', "utf-8")
    other.replace(file)
    assert len(synonyms.current().groups[0]) == 3


def test_without_a_file_there_are_no_synonyms():
    assert SynonymsFile(None).read() is SynonymsFile(None).current() is NONE
