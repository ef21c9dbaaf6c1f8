"""The page "Try": from an address to a site that is watched, with the posts that would come out at each step."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from http import HTTPStatus
from typing import Any, Final

from starlette.responses import Response

from pipeline.web.commands import run_command, run_module
from pipeline.web.pages import snapshots
from pipeline.web.pages.call import Call, go_to, id_of
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


def kept_page(call: Call) -> Response:
    """What was tried, as it was left; or, after a click into its snapshot, with what was clicked."""
    name, pick = call.path["kept"], call.query.get("pick", "")
    record = snapshots.kept(call.services.redis, name)
    draft = Draft(**record["draft"]) if record else Draft()
    try:
        if not pick:
            return _page(call, draft, found=_of(record), kept=name)
        _keep(call, name, _of(record, "page"), *_looked_at(draft, _of(record, "page"), _pick_of(pick)))
    except ProblemError as error:
        return _page(
            call, draft, status=error.status, failed=str(error), found=record.get("found"), kept=name if record else ""
        )
    return go_to(f"/try/{name}?role={pick.partition(':')[0]}#h-shown")


def _of(record: Mapping[str, Any], part: str = "found") -> Mapping[str, Any]:
    if not record:
        raise snapshots.expired()
    found: Mapping[str, Any] = record[part]
    return found


def try_it(call: Call) -> Response:
    """Find out how the page is read; read it as the form says; or watch it from now on."""
    draft, step = draft_of(call.form), call.form.get("step", "")
    if step == "enter":
        # The Enter key in a field presses the form's first button.
        step = "again" if call.form.get("read") == draft.url else "find"
    name = "" if step == "find" else call.form.get("kept", "")
    record = snapshots.kept(call.services.redis, name)
    page: Mapping[str, Any] | None
    try:
        if step == "save":
            change(call, ["sites", "add", *draft.words(), f"--url={draft.url}", "--", draft.name])
            return go_to(site_address(draft.name))
        if pick := call.form.get("pick", ""):
            page = _of(record, "page")
            draft, found = _looked_at(draft, page, _pick_of(pick))
        elif step == "again" and draft.spider:
            page = record.get("page") if draft.spider == "listing" else None
            draft, found = _crawled(draft, draft.words())
        else:
            bare = Draft(url=draft.url, timezone=draft.timezone, is_private=draft.is_private, name=draft.name)
            draft, found = _crawled(bare, [*bare.words(), "--page"])
            page = found.pop("page")
        if page and "shown" not in found:
            found["shown"] = _looked_at(draft, page, None)[1]["shown"]
    except ProblemError as error:
        # What was seen of the page stays in sight, but none of the posts.
        shown = {**record["found"], "posts": [], "notes": []} if record else None
        return _page(call, draft, status=error.status, failed=str(error), found=shown, kept=name if record else "")
    return _page(call, draft, found=found, kept=_keep(call, name, page, draft, found) if page else "")


def _crawled(draft: Draft, words: Words) -> tuple[Draft, dict[str, Any]]:
    """What `sites try` says, in one form whether it was to propose or to follow; and the draft that comes of it."""
    said = json.loads(run_command(["sites", "try", "--json", *words, "--", draft.url]))
    # With a definition given, this is what it was; without, what is proposed.
    if isinstance(said, list):
        return draft, _posts_in({"posts": said, "notes": [], "feeds": []})
    params = said.pop("params")
    known = replace(
        draft,
        url=str(params.pop("url", draft.url)),
        spider=said["spider"] or "",
        timezone=str(params.pop("timezone", draft.timezone)),
        params=_texts(params),
    )
    return known, _posts_in(said)


def _looked_at(draft: Draft, page: Mapping[str, str], pick: tuple[str, int] | None) -> tuple[Draft, dict[str, Any]]:
    """The draft with what was picked on the page that is kept, what it reads there, and how that is shown."""
    params = {**draft.params, **({"timezone": draft.timezone} if draft.timezone else {})}
    said = json.loads(run_module("scripts.sites.picking", {"page": page, "params": params, "pick": pick}))
    params = said.pop("params")
    params.pop("timezone", None)
    found = _posts_in({**said, "shown": said.pop("snapshot"), "feeds": []})
    return replace(draft, spider="listing" if params else draft.spider, params=_texts(params)), found


def _posts_in(said: dict[str, Any]) -> dict[str, Any]:
    posts = [
        {"title": post["title"], "url": post["url"], "at": post.get("published_at") or post.get("published")}
        for post in said["posts"]
    ]
    return {**said, "posts": posts}


def _texts(params: Mapping[str, Any]) -> Mapping[str, str]:
    return {name: "\n".join(map(str, v)) if isinstance(v, list) else str(v) for name, v in params.items()}


def _pick_of(text: str) -> tuple[str, int]:
    role, _, number = text.partition(":")
    if role not in snapshots.ROLES or id_of(number) is None:
        raise ProblemError(HTTPStatus.UNPROCESSABLE_ENTITY, "there is no such element")
    return role, int(number)


def _keep(call: Call, name: str, page: Mapping[str, str], draft: Draft, found: Mapping[str, Any]) -> str:
    return snapshots.keep(call.services.redis, {"page": page, "draft": asdict(draft), "found": found}, name)


def _page(
    call: Call,
    draft: Draft,
    *,
    status: int = HTTPStatus.OK,
    failed: str = "",
    found: Mapping[str, Any] | None = None,
    kept: str = "",
) -> Response:
    command = command_line(["sites", "add", draft.name or "NAME", *draft.words(), f"--url={draft.url}"])
    role = call.query.get("role", "")
    return call.page(
        "try.html",
        status,
        draft=draft,
        failed=failed,
        found=found,
        kept=kept,
        role=role if role in snapshots.ROLES else "title",
        roles=snapshots.role_labels(call),
        command=command,
        prefix=PARAM,
        moment=_moment,
    )


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
