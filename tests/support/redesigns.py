"""Boards before and after a redesign, made from a seed: what was known, the page as it is now, and the truth."""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from html import escape
from typing import Any

from spiders.guessing.known_posts import KnownPost
from spiders.guessing.repair import Repair, repair
from spiders.items import PostItem
from spiders.params import ListingParams
from spiders.reading.listing_page import parse_listing

NOW = datetime(2026, 11, 28, 6, tzinfo=UTC)
REFUSED = ("other titles", "login page", "two lists", "filled by a script", "a box alone")
"""What must be refused, and nothing else may."""
_WORDS = {
    "ko": (
        "국가장학금 {n}차 신청 안내", "기숙사 {n}관 입사생 모집", "제{n}회 교내 창업 경진대회",
        "도서관 {n}층 열람실 공사", "{n}학년도 수강 신청 일정", "학생식당 {n}월 운영 시간",
        "취업 특강 {n}회차 참가자 모집", "교환학생 {n}기 선발 공고", "졸업 논문 제출 기한 {n}일 연장",
        "근로장학생 {n}명 추가 모집", "전산실 {n}호 이용 제한",
    ),
    "en": (
        "Scholarship round {n} is open", "Water will be off in building {n}", "Minutes of meeting no. {n}",
        "Call for papers, workshop {n}", "Job fair: {n} companies take part", "Road works near gate {n}",
        "Library level {n} closes early", "Release {n}.0 and what is new in it", "Lost and found, week {n}",
        "Course {n} moves to another room", "Summer school: {n} places left", "Elections in district {n}",
    ),
}  # fmt: skip
_AGAIN = {"ko": ("공지", "주간 식단표"), "en": ("Notice", "Menu of the week")}
_AUTHORS = {"ko": ("학생지원팀", "교무팀", "도서관"), "en": ("Office", "Registrar", "J. Doe")}
_MENU = {
    "ko": ("학교 소개", "입학 안내", "대학원", "연구 성과", "학생 생활", "찾아오시는 길", "자주 묻는 질문"),
    "en": ("About us", "Admissions", "Graduate school", "Research results", "Student life", "How to find us", "Help"),
}


@dataclass(frozen=True)
class Entry:
    """A post of the board."""

    title: str
    number: int
    date: datetime
    author: str
    pinned: bool = False


@dataclass(frozen=True)
class Names:
    """How a design calls its parts."""

    names: Mapping[str, str]

    def __call__(self, part: str, more: str = "") -> str:
        both = " ".join(filter(None, (self.names.get(part, ""), more)))
        return f' class="{both}"' if both else ""


_PARTS = ("list", "row", "title", "date", "author", "hits", "number", "wrap")
_NAMES: Mapping[str, Callable[[str, random.Random], str]] = {
    "plain": lambda part, _: {"title": "subject", "row": "item", "hits": "cnt", "number": "no"}.get(part, part),
    "blocks": lambda part, _: f"board__{part}",
    "hashed": lambda _, rng: f"css-{rng.getrandbits(40):x}",
    "looks": lambda part, _: {"row": "flex py-2", "title": "flex-1 font-bold", "date": "text-xs", "list": "grid"}.get(
        part, "px-1"
    ),
    "none": lambda *_: "",
}
_DATES: tuple[Callable[[datetime, str, datetime], str], ...] = (
    lambda at, *_: f"{at:%Y.%m.%d}",
    lambda at, *_: f"{at:%Y-%m-%d %H:%M}",
    lambda at, *_: f"{at:%Y/%m/%d}",
    lambda at, language, _: (
        f"{at.year}년 {at.month}월 {at.day}일" if language == "ko" else f"{at:%B} {at.day}, {at.year}"
    ),
    lambda at, language, _: f"{at:%y.%m.%d}" if language == "ko" else f"{at.day} {at:%b} {at.year}",
    lambda at, language, now: _ago(at, language, now),
)


def _ago(at: datetime, language: str, now: datetime) -> str:
    days = (now - at).days
    return (f"{days}일 전" if language == "ko" else f"{days} days ago") if days else f"{at:%Y-%m-%d}"


_LINKS: Mapping[str, Callable[[Entry, int], tuple[str, str]]] = {
    # What the link holds, and where it leads.
    "path": lambda entry, salt: (f"href='/board/{salt}/{entry.number}'", f"/board/{salt}/{entry.number}"),
    "query": lambda entry, salt: (
        f"href='view.do?bbs={salt}&no={entry.number}'",
        f"/view.do?bbs={salt}&no={entry.number}",
    ),
    "new numbers": lambda entry, salt: (f"href='/post/{entry.number * 7 + salt}'", f"/post/{entry.number * 7 + salt}"),
    "hash": lambda entry, salt: (f"href='/a/{_code(entry, salt)}'", f"/a/{_code(entry, salt)}"),
    "pressed": lambda entry, salt: (
        f'href="#" onclick="location.href=\'/v?s={salt}&no={entry.number}\'"',
        f"/v?s={salt}&no={entry.number}",
    ),
}


def _code(entry: Entry, salt: int) -> str:
    return f"{random.Random(entry.number * 1000 + salt).getrandbits(48):012x}"


_TITLES = {
    "link": "<a {attributes}>{title}{badge}</a>",
    "cut": "<a {attributes} title='{title}'>{cut}</a>",
    "begun": "<a {attributes}>{cut}</a>",
    "category": "<a href='/list?c=1'>[news]</a> <a {attributes}>{title}{badge}</a>",
    "category in the link": "<a {attributes}><em class='cat'>News</em> <span>{title}</span></a>",
    "teaser in the link": "<a {attributes}><strong>{title}</strong><p>It goes on and on, {title}, and on</p></a>",
    "beside": "<h4>{title}</h4><a {attributes}>more</a>",
}
"""How a design shows a title."""


def _cut(title: str) -> str:
    return f"{title[:12]}..." if len(title) > 15 else title


@dataclass(frozen=True)
class Design:
    """A way to show a board."""

    layout: str
    names: Names
    link: str
    salt: int
    date: Callable[[datetime, str, datetime], str]
    columns: tuple[str, ...]
    wraps: int
    badge: str
    language: str
    has_dates: bool = True
    title: str = "link"
    now: datetime = NOW

    def url(self, entry: Entry) -> str:
        return "http://board.test" + _LINKS[self.link](entry, self.salt)[1]

    def list(self, entries: Sequence[Entry], *, more: Sequence[str] = ()) -> str:
        """The rows, and `more` among them."""
        rows = [self._row(entry) for entry in entries]
        for place, row in enumerate(more):
            rows.insert(min(3 * place + 2, len(rows)), row)
        named, text = self.names("list"), "".join(rows)
        for _ in range(self.wraps):
            text, named = f"<div{named}>{text}</div>" if self.layout == "cards" else text, named
        match self.layout:
            case "table":
                head = "".join(f"<th>{each}</th>" for each in self.columns)
                return f"<table{named}><thead><tr>{head}</tr></thead><tbody>{text}</tbody></table>"
            case "list":
                return f"<ul{named}>{text}</ul>"
            case "lines":
                return f"<dl{named}>{text}</dl>"
        return f"<div{named}>{text}</div>"

    def _row(self, entry: Entry) -> str:
        attributes, _ = _LINKS[self.link](entry, self.salt)
        badge = self.badge.replace("{n}", str(entry.number % 30 + 2)) if entry.number % 3 == 0 else ""
        title = escape(entry.title)
        cells = {
            "number": "" if entry.pinned else str(entry.number),
            "title": _TITLES[self.title].format(attributes=attributes, title=title, cut=_cut(title), badge=badge),
            "author": escape(entry.author),
            "date": self.date(entry.date, self.language, self.now) if self.has_dates else "",
            "hits": str(entry.number * 37 % 900),
        }
        return self.row(cells, "notice" if entry.pinned else "")

    def row(self, cells: Mapping[str, str], kind: str = "") -> str:
        """One row of the layout."""
        names, columns = self.names, [each for each in self.columns if cells.get(each)]
        row = names("row", kind)
        match self.layout:
            case "table":
                return f"<tr{row}>" + "".join(f"<td{names(e)}>{cells.get(e, '')}</td>" for e in self.columns) + "</tr>"
            case "list":
                return f"<li{row}>" + "".join(f"<span{names(e)}>{cells[e]}</span> " for e in columns) + "</li>"
            case "lines":
                rest = " | ".join(f"<span{names(e)}>{cells[e]}</span>" for e in columns if e != "title")
                return f"<div{row}><dt{names('title')}>{cells['title']}</dt><dd>{rest}</dd></div>"
            case "articles":
                rest = "".join(f"<p{names(e)}>{cells[e]}</p>" for e in columns if e != "title")
                return f"<article{row}><h3{names('title')}>{cells['title']}</h3>{rest}</article>"
        parts = "".join(f"<div{names(e)}>{cells[e]}</div>" for e in columns)
        for _ in range(self.wraps):
            parts = f"<div{names('wrap')}>{parts}</div>"
        return f"<div{row}>{parts}</div>"


def _design(rng: random.Random, language: str, *, has_dates: bool = True) -> Design:
    scheme = rng.choice([*_NAMES])
    names = Names({part: _NAMES[scheme](part, rng) for part in _PARTS})
    columns = ["title", *rng.sample(["author", "hits"], rng.randint(0, 2)), *(["date"] if has_dates else [])]
    if rng.random() < 0.4:
        rng.shuffle(columns)
    if rng.random() < 0.4:
        columns.insert(0, "number")
    return Design(
        layout=rng.choice(["table", "table", "list", "cards", "articles", "lines"]),
        names=names,
        link=rng.choice([*_LINKS]),
        salt=rng.randint(100, 999),
        date=rng.choice(_DATES),
        columns=tuple(columns),
        wraps=rng.randint(0, 3),
        badge=rng.choice(["", "", "<span class='new'>N</span>", " <em class='cmt'>[{n}]</em>", " [{n}]"]),
        language=language,
        has_dates=has_dates,
        title=rng.choice(["link", "link", "link", *_TITLES]),
    )


_BASES: tuple[tuple[Design, dict[str, Any]], ...] = (
    (
        Design("table", Names({"list": "board-table", "title": "td-subject", "date": "td-date", "author": "td-write"}),
               "path", 12, _DATES[0], ("number", "title", "author", "date"), 0, "<span class='new'>N</span>", "ko"),
        {"row": "table.board-table tbody tr", "title": "td.td-subject a", "date": "td.td-date", "author": "td.td-write",
         "strip": ["span.new"], "pinned": ".notice"},
    ),
    (
        Design("list", Names({"list": "posts", "row": "post", "title": "tit", "date": "when"}),
               "query", 7, _DATES[1], ("title", "date"), 0, " [{n}]", "ko"),
        {"row": "ul.posts > li", "title": "span.tit a", "date": "span.when", "strip": [r"re:\s*\[\d+\]$"]},
    ),
    (
        Design("articles", Names({}), "hash", 3, _DATES[3], ("title", "date"), 0, "", "ko"),
        {"row": "article", "title": "h3 a", "date": "p"},
    ),
    (
        Design("cards", Names({"list": "l", "row": "card", "title": "t"}),
               "new numbers", 40, _DATES[0], ("title",), 1, "", "ko", has_dates=False),
        {"row": "div.card", "title": "div.t a", "id": r"re:/post/(\d+)"},
    ),
)  # fmt: skip


@dataclass(frozen=True)
class Case:
    """One redesign: what is known, the page as it is now, and the truth."""

    seed: int
    # What makes it one that must be refused; "" where it is to be repaired.
    refused: str
    before: Mapping[str, Any]
    old_page: str
    page: str
    # The page as a later crawl sees it, with one more post.
    later: str
    known: Sequence[KnownPost]
    shown: int
    # Address -> the post's number, of what stands in the list now; those that were posted since; the one of `later`.
    truth: Mapping[str, Entry]
    new: frozenset[int]
    last: int
    # Row of the stored post -> number.
    numbers: Mapping[int, int] = field(default_factory=dict)
    now: datetime = NOW

    def repaired(self) -> Repair:
        return repair(
            self.page.encode(), self.before["url"], "text/html; charset=utf-8",
            before=self.before, known=self.known, shown=self.shown, now=self.now,
        )  # fmt: skip

    def reading(self, page: str, params: Mapping[str, Any]) -> tuple[PostItem, ...]:
        """What the listing spider makes of a page."""
        return parse_listing(page, self.before["url"], ListingParams.from_mapping(params), self.now).posts


def case(seed: int, now: datetime = NOW) -> Case:
    """The redesign of a seed; one in seven is to be refused."""
    rng = random.Random(seed)
    language = rng.choice(["ko", "en"])
    base, params = rng.choice(_BASES)
    base = replace(base, language=language, now=now)
    new_design = replace(_design(rng, language, has_dates=base.has_dates and rng.random() < 0.85), now=now)
    entries = _entries(rng, language, 46, again=rng.random() < 0.5, now=now)
    size, since, longer = rng.randint(8, 22), rng.choice([0, 0, 1, 2, 4]), rng.choice([0, 0, 0, 5, 10])
    pinned = [_pin(each) for each in rng.sample(entries[size + since : size + since + 6], rng.choice([0, 0, 1, 3]))]
    old = [*pinned, *entries[since + 1 : since + 1 + size]]
    listed = [*pinned, *entries[1 : 1 + max(size + longer - rng.randint(0, 3), 8)]]
    later = [*pinned, entries[0], *listed[len(pinned) :]]
    before = {"url": "http://board.test/list", "timezone": "UTC", **params}
    old_page = _page(rng, language, base.list(old), base)
    known, numbers = _known(old_page, before, base, old)
    refused = rng.choice(REFUSED) if seed % 7 == 0 else ""
    state = rng.getstate()
    pages = []
    for shown in (listed, later):
        rng.setstate(state)
        pages.append(_new_page(rng, language, new_design, shown, refused))
    return Case(
        seed=seed,
        refused=refused,
        before=before,
        old_page=old_page,
        page=pages[0],
        later=pages[1],
        known=known,
        shown=len(known),
        truth={new_design.url(each): each for each in listed},
        new=frozenset(each.number for each in entries[1 : 1 + since]),
        last=entries[0].number,
        numbers=numbers,
        now=now,
    )


def _pin(entry: Entry) -> Entry:
    return Entry(entry.title, entry.number, entry.date, entry.author, pinned=True)


def _entries(rng: random.Random, language: str, count: int, *, again: bool = False, now: datetime = NOW) -> list[Entry]:
    """Posts, the newest first; with `again`, some titles come again and again."""
    at, found = now - timedelta(hours=2), list[Entry]()
    for place in range(count):
        title = rng.choice(_WORDS[language]).replace("{n}", str(place * 3 + rng.randint(1, 3)))
        if again and place % 6 == 3:
            title = rng.choice(_AGAIN[language])
        found.append(Entry(title, 3000 - place, at, rng.choice(_AUTHORS[language])))
        at -= timedelta(hours=rng.randint(9, 60))
    return found


def _known(
    page: str, before: Mapping[str, Any], design: Design, entries: Sequence[Entry]
) -> tuple[list[KnownPost], dict[int, int]]:
    """What a crawl of the old page stored."""
    of_url = {design.url(each): each for each in entries}
    posts = parse_listing(page, before["url"], ListingParams.from_mapping(before), design.now).posts
    assert {post.url for post in posts} == set(of_url), (len(posts), len(of_url))
    known = [
        KnownPost(id=place + 1, external_id=post.external_id, title=post.title, published_at=post.published_at)
        for place, post in enumerate(posts)
    ]
    return known, {place + 1: of_url[post.url].number for place, post in enumerate(posts)}


def _page(rng: random.Random, language: str, content: str, design: Design) -> str:
    menu = "".join(f"<li><a href='/m/{n}'>{each} {n}</a></li>" for n, each in enumerate(_MENU[language]))
    for _ in range(design.wraps):
        content = f"<div{design.names('wrap')}>{content}</div>"
    return (
        f"<html lang='{language}'><head><meta charset='utf-8'></head><body><ul class='gnb'>{menu}</ul>"
        f"<div id='content'><h2>Board</h2>{content}</div></body></html>"
    )


def _new_page(rng: random.Random, language: str, design: Design, entries: Sequence[Entry], refused: str) -> str:
    menu = "".join(
        f"<li><a href='/m/{n}'>{rng.choice(_MENU[language])} {n}</a></li>" for n in range(rng.choice([5, 20, 80]))
    )
    boxed = "".join(
        f"<li><a href='{design.url(each)}'>{escape(each.title)}</a></li>"
        for each in (entries[place] for place in rng.sample(range(3, 8), rng.choice([0, 0, 3, 4])))
    )
    box = f"<aside><h4>Popular</h4><ul>{boxed}</ul></aside>" if boxed else ""
    ads = [
        design.row(
            {"title": f"<a href='http://ads.test/{n}'>Buy {n} and save a lot</a>"}, rng.choice(["ad", "sponsored", ""])
        )
        for n in range(rng.choice([0, 0, 1, 2]))
    ]
    content = design.list(entries, more=ads)
    match refused:
        case "other titles":
            others = _entries(random.Random(rng.random()), language, 12)
            content, box = (
                design.list([Entry(f"{e.title} ({e.number})", e.number, e.date, e.author) for e in others]),
                "",
            )
        case "login page":
            content, box = "<form><input name='id'><input type='password' name='pw'><button>Login</button></form>", ""
        case "two lists":
            other = _design(rng, language, has_dates=design.has_dates)
            content += f"<div class='mobile'>{other.list(entries)}</div>"
        case "filled by a script":
            content, box = "<div id='app'></div><script src='/app.js'></script>", ""
        case "a box alone":
            few = "".join(f"<li><a href='{design.url(e)}'>{escape(e.title)}</a></li>" for e in entries[-3:])
            content, box = f"<div id='app'></div><aside><h4>Popular</h4><ul>{few}</ul></aside>", ""
    paging = "".join(f"<a href='/list?page={n}'>{n}</a> " for n in range(1, 11))
    content = f"{content}<div class='paging'>{paging}</div>"
    for _ in range(design.wraps):
        content = f"<div{design.names('wrap')}>{content}</div>"
    tags = rng.choice([("<nav><ul>", "</ul></nav>"), ("<div id='menu'><ul>", "</ul></div>"), ("<ul>", "</ul>")])
    return (
        f"<html lang='{language}'><head><meta charset='utf-8'></head><body>{tags[0]}{menu}{tags[1]}"
        f"<main>{content}</main>{box}<footer><a href='/privacy'>Privacy</a></footer></body></html>"
    )


def judged(case: Case, found: Repair) -> str:
    """What a repair is worth: "repaired", "refused", or what is wrong with it."""
    if found.refusal:
        return "refused"
    if case.refused:
        return f"not refused: {case.refused}"
    truth, recognition = case.truth, found.recognition
    for place, old in recognition.known.items():
        entry = truth.get(found.posts[place].url)
        if entry is None or entry.number != case.numbers[old.id]:
            return f"{old.title!r} is taken for {found.posts[place]}"
    here = {found.posts[place].url for place in recognition.known}
    numbers = set(case.numbers.values())
    astray = {found.posts[place].url for place in recognition.astray}
    missed = [entry.title for url, entry in truth.items() if entry.number in numbers and url not in here | astray]
    if missed:
        return f"not recognised: {missed}"
    new = {found.posts[place].url for place in recognition.new}
    should = {url for url, entry in truth.items() if entry.number in case.new}
    if new != should - astray:
        return f"new: {[p.title for p in found.posts if p.url in new ^ should]}"
    wrong = [
        post
        for post in found.posts
        if post.url not in truth
        or (post.published_at and abs(post.published_at - truth[post.url].date) > timedelta(hours=25))
    ]  # fmt: skip
    if wrong:
        return f"no post, or its date is wrong: {wrong[0]}"
    # The crawl after: what it brings that is not stored is pushed.
    stored = {post.external_id for place, post in enumerate(found.posts) if place not in recognition.new}
    pushed = {post.url for post in case.reading(case.later, found.params) if post.external_id not in stored}
    last = {url for url in pushed if url not in truth}
    if pushed - last != should - astray or len(last) != 1:
        return f"pushed: {sorted(pushed)}, not {sorted(should)} and one more"
    return "repaired"
