"""The demo board's posts: a deterministic Korean and English vocabulary, and a bounded store. No I/O but its file."""

import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

from scripts.errors import CommandError

KEEP = 300
"""Posts kept; older ones leave the board."""

FIRST_POSTS = 24
"""Posts on a new board, so that there is a page 2 and something for a baseline."""

DEFAULT_SEED = 3
"""With this one a scholarship, a vacancy and an office's notice come among the first new posts."""

PIN_EVERY = 8
"""Every so many posts one is pinned."""

PINNED = 3
"""The newest so many pinned posts stand above the list."""

LONGEST_TITLE = 300
LONGEST_BODY = 20_000

_SUBJECTS = (
    ("장학", "국가장학금", "National scholarship"),
    ("장학", "교내 성적우수 장학금", "Merit scholarship"),
    ("장학", "근로장학생", "Work-study scholarship"),
    ("채용", "연구조교", "Hiring research assistants"),
    ("채용", "백엔드 개발자 인턴", "Backend internship (Python, node.js)"),
    ("채용", "행정직원", "Hiring office staff"),
    ("기숙사", "2학기 기숙사 입사", "Dormitory, autumn term"),
    ("기숙사", "기숙사 식당 운영 시간", "Dormitory cafeteria hours"),
    ("스터디", "C++ 스터디", "C++ study group"),
    ("스터디", "node.js 모임", "node.js meetup"),
    ("스터디", "알고리즘 (C#, .NET) 스터디", "Algorithms study group (C#, .NET)"),
    ("학사", "수강신청 정정", "Course registration changes"),
    ("학사", "졸업요건 확인", "Graduation requirements"),
    ("국제", "해외 교환학생", "Exchange students abroad"),
    ("행사", "AI 특강", "Lecture on AI"),
    ("도서관", "도서관 열람실 이용", "Library reading room"),
)
_ACTIONS = (
    ("신청 안내", "applications open"),
    ("모집 공고", "call for applicants"),
    ("변경 안내", "changes"),
    ("결과 발표", "results"),
    ("마감 연장", "deadline extended"),
)
_AUTHORS = ("학생지원팀", "장학복지과", "Career Center", "생활관 행정실", "컴퓨터공학부", "International Office")
_BODIES = (
    "자세한 내용은 첨부파일을 확인하시기 바랍니다. 문의는 담당 부서로 해 주십시오.",
    "신청 기간을 반드시 지켜 주시기 바랍니다. Please apply in time; late applications are not accepted.",
    "Details are in the attachment. Questions are welcome at the office, on weekdays from 9 to 18.",
)


class PostError(CommandError, ValueError):
    """A post that the board does not take; the message says why."""


@dataclass(frozen=True, kw_only=True)
class BoardPost:
    """One post of the board."""

    id: int
    title: str
    body: str
    author: str
    # ISO 8601, UTC.
    published_at: str
    pinned: bool

    @property
    def published(self) -> datetime:
        """When the post appeared."""
        return datetime.fromisoformat(self.published_at)


def compose(seed: int, number: int, published: datetime) -> BoardPost:
    """Return the post with this number: the same for the same seed, whatever came before."""
    dice = Random(f"{seed}:{number}")  # noqa: S311 - a vocabulary, no secret
    category, korean, english = dice.choice(_SUBJECTS)
    korean_action, english_action = dice.choice(_ACTIONS)
    both = f"[{category}] {korean} {korean_action} / {english}: {english_action}"
    titles = (both, both, f"[{category}] {korean} {korean_action}", f"{english}: {english_action}")
    return BoardPost(
        id=number,
        title=dice.choice(titles),
        body=dice.choice(_BODIES),
        author=dice.choice(_AUTHORS),
        published_at=published.isoformat(timespec="milliseconds"),
        pinned=number % PIN_EVERY == 0,
    )


def _now() -> datetime:
    return datetime.now(UTC)


class Board:
    """The posts, newest last, at most KEEP; in `file` they survive a restart."""

    def __init__(
        self, *, seed: int = DEFAULT_SEED, file: Path | None = None, now: Callable[[], datetime] = _now
    ) -> None:
        self._seed = seed
        self._file = file
        self._now = now
        self._posts = self._load()
        if not self._posts:
            self._posts = [compose(seed, number, now()) for number in range(1, FIRST_POSTS + 1)]
            self._save()

    @property
    def changed_at(self) -> datetime:
        """When the newest post appeared."""
        return self._posts[-1].published

    def posts(self) -> list[BoardPost]:
        """Return all posts, newest first."""
        return self._posts[::-1]

    def pinned(self) -> list[BoardPost]:
        """Return the posts that stand above the list, newest first."""
        return [post for post in self._posts[::-1] if post.pinned][:PINNED]

    def find(self, number: int) -> BoardPost | None:
        """Return the post with this number, None when it is not there (any more)."""
        index = number - self._posts[0].id
        return self._posts[index] if 0 <= index < len(self._posts) else None

    def add_next(self) -> BoardPost:
        """Add the next post of the vocabulary."""
        return self._append(compose(self._seed, self._posts[-1].id + 1, self._now()))

    def add(self, title: str, body: str = "", *, author: str = "관리자", pinned: bool = False) -> BoardPost:
        """Add a post of one's own. Raises PostError when a text is missing or too long."""
        title, author = _line(title), _line(author)
        _check(title, body, author)
        return self._append(
            BoardPost(
                id=self._posts[-1].id + 1,
                title=title,
                body=clean(body),
                author=author,
                published_at=self._now().isoformat(timespec="milliseconds"),
                pinned=pinned,
            )
        )

    def edit(self, number: int, title: str, body: str) -> BoardPost:
        """Give a post other texts. Raises PostError when one is missing or too long, or the post is not there."""
        post, title = self.find(number), _line(title)
        if post is None:
            raise PostError("There is no such post.")
        _check(title, body)
        edited = replace(post, title=title, body=clean(body))
        self._posts[self._posts.index(post)] = edited
        self._save()
        return edited

    def _append(self, post: BoardPost) -> BoardPost:
        self._posts.append(post)
        del self._posts[:-KEEP]
        self._save()
        return post

    def _load(self) -> list[BoardPost]:
        if self._file is None or not self._file.exists():
            return []
        names = {field.name for field in fields(BoardPost)}
        try:
            saved: list[dict[str, Any]] = json.loads(self._file.read_bytes())
            posts = [BoardPost(**{name: each[name] for name in names}) for each in saved[-KEEP:]]
        except (ValueError, KeyError, TypeError) as error:
            raise PostError(f"{self._file} does not hold a board; delete it to begin a new one.") from error
        return posts

    def _save(self) -> None:
        if self._file is None:
            return
        self._file.parent.mkdir(parents=True, exist_ok=True)
        temporary = self._file.with_name(f".{self._file.name}.{os.getpid()}")
        temporary.write_text(json.dumps([asdict(post) for post in self._posts], ensure_ascii=False), "utf-8")
        temporary.replace(self._file)


def _line(text: str) -> str:
    return " ".join(clean(text).split())


def _check(title: str, body: str, author: str = "") -> None:
    if not title:
        raise PostError("A post needs a title.")
    if max(len(title), len(author)) > LONGEST_TITLE or len(body) > LONGEST_BODY:
        raise PostError(f"A title has at most {LONGEST_TITLE} characters, a body {LONGEST_BODY}.")


def clean(text: str) -> str:
    """Leave out what neither XML nor UTF-8 can hold: control characters and lone surrogates."""
    text = text.encode("utf-8", "ignore").decode()
    return "".join(letter for letter in text if letter in "\n\t" or (letter >= " " and letter not in "\ufffe\uffff"))
