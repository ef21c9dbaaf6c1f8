"""Pages of sites in files, with the posts that they are to give: for a team's own CI, and as fixtures of ours.

A recording is a folder under the site's name: `site.toml` (the definition, as `sites export` writes it), the page as it
came (`page.html`, `page.xml` or `page.json`) and `expected.toml` (when it was read, and what was found).
"""

import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from pipeline.basics.access import masked
from pipeline.basics.text import printable
from pipeline.resources import now
from pipeline.settings import Settings
from scripts.errors import CommandError
from scripts.sites import trial
from spiders.definitions import SiteDefinition, dump_definitions, parse_definitions, ready_made
from spiders.guessing.addresses import kind_of
from spiders.items import PostItem
from spiders.saved_pages import PageReading, SavedPage, read_page, url_of
from spiders.toml_text import toml_value
from storage.models import Post

EXPECTED: Final = "expected.toml"
DEFINITION: Final = "site.toml"
FIELDS: Final = ("external_id", "url", "title", "body", "author", "published_at")
_OPTIONAL: Final = ("published_at", "author", "body")
_ENDINGS: Final = {"<": ".xml", "{": ".json", "[": ".json"}
_FEWER: Final = 3
"""A live page with less than such a part of the recorded posts is shown."""


class RecordingError(CommandError):
    """A folder that is no recording, or a page that cannot be recorded."""


def record(definition: SiteDefinition, folder: Path, settings: Settings) -> int:
    """Fetch a site's page and write it down with its posts; returns how many there are.

    Raises TrialError when the page cannot be fetched, RecordingError when it holds no posts or cannot be written.
    """
    url = url_of(definition)
    wants_json = definition.spider == "json" and not definition.params.get("embedded")
    asked = replace(definition, params={**definition.params, "url": url})
    page = trial.fetched(asked, settings, accepts="application/json, */*;q=0.5" if wants_json else "")
    at = now()
    found = read_page(definition, page, at)
    if not found.posts:
        raise RecordingError(f"{masked(url)} was read, but nothing is recorded: {found.problem}")
    first = page.body.lstrip(b"\xef\xbb\xbf \t\r\n")[:1].decode("latin-1")
    ending = ".html" if definition.spider not in {"feed", "json"} else _ENDINGS.get(first, ".html")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.glob("page.*"):
            old.unlink()
        (folder / f"page{ending}").write_bytes(page.body)
        (folder / DEFINITION).write_text(dump_definitions([definition]), encoding="utf-8")
    except OSError as error:
        raise RecordingError(f"{folder} cannot be written: {error.strerror}") from error
    expect(folder, found, page, at)
    return len(found.posts)


def expect(folder: Path, found: PageReading, page: SavedPage, at: datetime) -> None:
    """Write down what a recorded page is to give. Raises RecordingError."""
    try:
        (folder / EXPECTED).write_text(_expected_text(found, page, at), encoding="utf-8")
    except OSError as error:
        raise RecordingError(f"{folder} cannot be written: {error.strerror}") from error


def _expected_text(found: PageReading, page: SavedPage, at: datetime) -> str:
    values: dict[str, Any] = {"now": at.isoformat(), "url": masked(page.url), "content_type": page.content_type}
    values |= {"next_url": found.next_url} if found.next_url else {}
    lines = [f"{name} = {toml_value(value)}" for name, value in values.items() if value]
    for post in found.posts:
        lines += ["", "[[posts]]"]
        for name, value in asdict(post).items():
            if name in FIELDS and value:
                lines.append(f"{name} = {value.isoformat() if isinstance(value, datetime) else toml_value(value)}")
    return "\n".join(lines) + "\n"


@dataclass(frozen=True, kw_only=True)
class Recording:
    """A recorded page and what it is to give."""

    definition: SiteDefinition
    page: SavedPage
    now: datetime
    # Each with FIELDS; what is empty may be missing.
    posts: Sequence[Mapping[str, Any]]
    next_url: str | None

    def reading(self) -> PageReading:
        """What the definition makes of the page now. Raises SpiderError."""
        return read_page(self.definition, self.page, self.now)


def recordings(folder: Path) -> dict[str, Path]:
    """The recordings in a folder, by name; the folder itself may be one. Raises RecordingError when there is none."""
    inside = [folder] if (folder / EXPECTED).exists() else sorted(each.parent for each in folder.glob(f"*/{EXPECTED}"))
    if not inside:
        raise RecordingError(f"{folder} holds no recording: `crawlpush sites record NAME --to {folder}` makes one")
    return {each.resolve().name: each for each in inside}


def load(folder: Path, definitions: Mapping[str, SiteDefinition] | None = None) -> Recording:
    """A recording; its definition is the given one, its own, or the ready-made one of its name.

    Raises RecordingError, and DefinitionError.
    """
    name = folder.resolve().name
    try:
        said = tomllib.loads((folder / EXPECTED).read_text(encoding="utf-8"))
        page = min(folder.glob("page.*"))
        definition = {**ready_made(), **_own(folder), **(definitions or {})}[name]
        return Recording(
            definition=definition,
            page=SavedPage(
                body=page.read_bytes(),
                url=said.get("url") or url_of(definition),
                content_type=said.get("content_type", ""),
            ),
            now=datetime.fromisoformat(said["now"]),
            posts=said["posts"],
            next_url=said.get("next_url"),
        )
    except KeyError as error:
        lacks = f"{DEFINITION} with a site of that name" if error.args == (name,) else f"{error} in {EXPECTED}"
        raise RecordingError(f"{folder} has no {lacks}: record it anew") from None
    except (OSError, ValueError, TypeError) as error:
        raise RecordingError(f"{folder} cannot be read: {error}") from error


def _own(folder: Path) -> dict[str, SiteDefinition]:
    file = folder / DEFINITION
    return parse_definitions(file.read_text(encoding="utf-8"), str(file)) if file.exists() else {}


def differences(recording: Recording, found: PageReading) -> Iterator[str]:
    """What is not as it was recorded, a line for each. Pure."""
    expected = {post["external_id"]: post for post in recording.posts}
    posts = {post.external_id: _fields(post) for post in found.posts}
    if not posts:
        yield f"no posts are found: {found.problem}"
        return
    new_titles = {post["title"]: key for key, post in posts.items() if key not in expected}
    renamed = {}
    for key, post in expected.items():
        title = _quoted(post["title"])
        if key in posts:
            yield from (f"{title}: {words}" for words in _changed(post, posts[key]))
        elif post["title"] in new_titles:
            renamed[new_titles[post["title"]]] = key
            yield f"{title} has another id: {key!r}, now {new_titles[post['title']]!r}"
        else:
            yield f"{title} is not found any more"
    yield from (
        f"{_quoted(post['title'])} is found and was not"
        for key, post in posts.items()
        if key not in {*expected, *renamed}
    )
    both = [key for key in expected if key in posts]
    if both != [key for key in posts if key in expected]:
        yield "the posts stand in another order"
    if found.next_url != recording.next_url:
        yield f"the next page was {recording.next_url or 'nowhere'}, now it is {found.next_url or 'nowhere'}"


def live_differences(recording: Recording, posts: Sequence[PostItem | Post]) -> Iterator[str]:
    """In what the posts of the live page are unlike the recorded ones, which are others by now. Pure."""
    before, count = recording.posts, len(posts)
    if _FEWER * count < len(before):
        yield f"{count} posts are found, and {len(before)} were recorded"
    for name in _OPTIONAL:
        lacking = sum(not getattr(post, name) for post in posts)
        if all(post.get(name) for post in before) and 2 * lacking > count:
            yield f"{lacking} of {count} posts have no {name}, and each recorded one has"
    kinds = {kind_of(post["url"]) for post in before}
    if len(kinds) == 1 and kinds.isdisjoint(kind_of(post.url) for post in posts):
        yield f"the posts' addresses are of another kind: {before[0]['url']}, now {posts[0].url}"


def _fields(post: PostItem) -> dict[str, Any]:
    return {name: value for name, value in asdict(post).items() if name in FIELDS}


def _changed(before: Mapping[str, Any], post: Mapping[str, Any]) -> Iterable[str]:
    for name in FIELDS:
        was, now_is = before.get(name) or None, post[name] or None
        if was != now_is:
            yield f"{name} was {_said(was)}, now it is {_said(now_is)}"


def _said(value: Any) -> str:
    if value is None:
        return "missing"
    return value.isoformat() if isinstance(value, datetime) else _quoted(str(value))


def _quoted(text: str) -> str:
    return repr(printable(text if len(text) <= 80 else f"{text[:79]}…"))
