"""The page "Try": from an address to a site that is watched, with the posts that would come out at each step."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

from starlette.responses import Response

from pipeline.web.commands import run_command
from pipeline.web.pages.call import Call, go_to
from pipeline.web.pages.changes import Words, change, command_line
from pipeline.web.pages.sites import site_address
from pipeline.web.problems import ProblemError

PARAM: Final = "param-"
"""Before the name of a parameter, in the names of the form's fields."""
_NAME: Final = re.compile(r"[a-z][a-z_]{0,40}")
USUAL: Final = {
    "listing": ("row", "title", "link", "date", "author"),
    "feed": (),
    "json": ("rows", "title", "link", "date"),
}
"""The parameters that the form has a field for, whatever was guessed."""


@dataclass(frozen=True, kw_only=True)
class Draft:
    """What the form says."""

    url: str = ""
    spider: str = ""
    timezone: str = ""
    name: str = ""
    is_private: bool = False
    # A value with several lines is a list.
    params: Mapping[str, str] = field(default_factory=dict)

    def words(self) -> Words:
        """The options that say how the page is read."""
        params = [
            f"--param={name}={line.strip()}"
            for name, text in self.params.items()
            for line in text.splitlines()
            if line.strip()
        ]
        private = ["--allow-private"] if self.is_private else []
        return [*_given("spider", self.spider), *_given("timezone", self.timezone), *params, *private]

    def fields(self) -> Sequence[tuple[str, str]]:
        """The parameters to be shown, the usual ones first."""
        names = dict.fromkeys([*USUAL.get(self.spider, ()), *self.params])
        return [(name, self.params.get(name, "")) for name in names]


def _given(name: str, value: str) -> list[str]:
    return [f"--{name}={value}"] if value else []


def draft_of(form: Mapping[str, str]) -> Draft:
    """The draft in a form. Pure."""
    params = {
        key.removeprefix(PARAM): value.strip()
        for key, value in form.items()
        if key.startswith(PARAM) and _NAME.fullmatch(key.removeprefix(PARAM))
    }
    texts = {name: form.get(name, "").strip() for name in ("url", "spider", "timezone", "name")}
    return Draft(**texts, is_private=form.get("private") == "yes", params=params)


def try_page(call: Call) -> Response:
    """Ask for an address."""
    return _page(call, Draft(url=call.query.get("url", "")))


def try_it(call: Call) -> Response:
    """Find out how the page is read; read it as the form says; or watch it from now on."""
    draft, step = draft_of(call.form), call.form.get("step", "")
    try:
        match step:
            case "save":
                change(call, ["sites", "add", *draft.words(), f"--url={draft.url}", "--", draft.name])
                return go_to(site_address(draft.name))
            case "again" if draft.spider:
                found = _found(draft, draft.words())
            case _:
                bare = Draft(url=draft.url, timezone=draft.timezone, is_private=draft.is_private)
                found = _found(bare, bare.words())
    except ProblemError as error:
        return _page(call, draft, status=error.status, failed=str(error))
    known = Draft(
        url=str(found["params"].pop("url", draft.url)),
        spider=found["spider"] or "",
        timezone=str(found["params"].pop("timezone", draft.timezone)),
        name=draft.name,
        is_private=draft.is_private,
        params={name: _lines(value) for name, value in found["params"].items()},
    )
    return _page(call, known, found=found)


def _found(draft: Draft, words: Words) -> dict[str, Any]:
    """What `sites try` says, in one form whether it was to propose or to follow."""
    found = json.loads(run_command(["sites", "try", "--json", *words, "--", draft.url]))
    if isinstance(found, list):
        found = {"posts": found}
    found["posts"] = [
        {"title": post["title"], "url": post["url"], "at": post.get("published_at") or post.get("published")}
        for post in found["posts"]
    ]
    # With a definition given, this is what it was; without, what is proposed.
    return {"spider": draft.spider, "params": {**draft.params}, "feeds": [], "notes": [], **found}


def _lines(value: object) -> str:
    return "\n".join(map(str, value)) if isinstance(value, list) else str(value)


def _page(
    call: Call,
    draft: Draft,
    *,
    status: int = HTTPStatus.OK,
    failed: str = "",
    found: Mapping[str, Any] | None = None,
) -> Response:
    command = command_line(["sites", "add", draft.name or "NAME", *draft.words(), f"--url={draft.url}"])
    return call.page("try.html", status, draft=draft, failed=failed, found=found, command=command, prefix=PARAM)
