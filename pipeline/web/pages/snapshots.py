"""Snapshots of pages that are tried: kept for a while, and shown in a frame in which nothing of them can run.

A snapshot (spiders.guessing.snapshot) is a document of its own, of an opaque origin by its policy, without scripts,
pictures or styles of the page. Its links lead to addresses that only who has the try's name knows. A browser sends no
session along from there (SameSite=Strict), so these answer with a page of ours that goes on by itself.
"""

import base64
import hashlib
import html
import json
import re
import secrets
import zlib
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final, cast

from redis import Redis
from starlette.responses import Response

from pipeline.web.pages.call import HTML, Call
from pipeline.web.pages.mount import ROOT
from pipeline.web.pages.rendering import SECURITY_HEADERS
from pipeline.web.problems import ProblemError

PREFIX: Final = "crawlpush:try:"
KEPT_S: Final = 30 * 60
ROLES: Final = ("row", "title", "date", "author")
"""What a click can make an element; spiders.guessing.picking has them too."""
_NAME: Final = re.compile(r"[\w-]{22}", re.ASCII)
_NUMBER: Final = re.compile(r"\d{1,7}", re.ASCII)

STYLE: Final = """
:root{color-scheme:light dark;--ink:#1c1e22;--soft:#5b626d;--ground:#fff;--line:#dcdcd6;--accent:#2b56c6;--on:#fff;
--title:#dbe6ff;--date:#d9f0e2;--author:#fbe9c8}
@media(prefers-color-scheme:dark){:root{--ink:#e8e9eb;--soft:#a4abb5;--ground:#1c1f23;--line:#3a3f46;--accent:#8fb0ff;
--on:#10141c;--title:#27365c;--date:#1d3f2b;--author:#483714}}
body{margin:0;background:var(--ground);color:var(--ink);font:14px/1.6 system-ui,-apple-system,"Segoe UI",Roboto,
"Noto Sans KR","Noto Sans CJK KR",sans-serif;overflow-wrap:anywhere;word-break:keep-all}
nav{position:sticky;top:0;display:flex;flex-wrap:wrap;gap:.25rem .4rem;align-items:center;padding:.5rem .75rem;
background:var(--ground);border-bottom:1px solid var(--line);color:var(--soft)}
nav a{padding:.15rem .7rem;border-radius:1rem;border:1px solid var(--line);color:var(--ink)}
nav a[aria-current]{background:var(--accent);border-color:var(--accent);color:var(--on);font-weight:600}
main{padding:.5rem .75rem}
a{color:inherit;text-decoration:none;unicode-bidi:isolate;border-radius:3px;padding:0 .1em}
main a:hover,a:focus-visible{outline:2px solid var(--accent)}
.t{display:table;border-collapse:collapse;width:100%}.g{display:table-row-group}.r{display:table-row}
.c{display:table-cell;padding:.15rem .5rem .15rem 0;vertical-align:top;overflow-wrap:break-word}
@media(max-width:40em){.t,.g,.r,.c{display:block;width:auto;overflow-wrap:anywhere}}
.h{font-weight:600;font-size:1.1em;margin:.4rem 0}.p{margin:.3rem 0}.l{margin:.1rem 0 .1rem .8rem}
.row{box-shadow:inset 3px 0 var(--accent);border-bottom:1px solid var(--line);padding-left:.6rem}
.r.row>.c:first-child{padding-left:.6rem}
@media(max-width:40rem){.t,.g,.r{display:block}.c{display:inline-block;padding-right:.6rem}.row{padding-top:.3rem}}
.title{background:var(--title);font-weight:600}.date{background:var(--date)}.author{background:var(--author)}
"""
_HASH: Final = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
HEADERS: Final = {
    # Our own style, known by its hash, and nothing else; no origin; and out of the frame only where somebody clicks.
    "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{_HASH}'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'self'; sandbox allow-top-navigation-by-user-activation",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


def keep(redis: Redis, record: Mapping[str, Any], name: str = "") -> str:
    """Keep what was tried, under the name it had or a new one that nobody guesses. Returns the name."""
    name = name or secrets.token_urlsafe(16)
    redis.set(PREFIX + name, zlib.compress(json.dumps(record, default=str).encode(), 1), ex=KEPT_S)
    return name


def kept(redis: Redis, name: str) -> dict[str, Any]:
    """What was kept; empty when nothing is any more."""
    found = cast("bytes | None", redis.get(PREFIX + name)) if _NAME.fullmatch(name) else None
    return json.loads(zlib.decompress(found)) if found else {}


def expired() -> ProblemError:
    """That nothing is kept any more."""
    sentence = f"a page that is tried is kept for {KEPT_S // 60} minutes: find the posts once more"
    return ProblemError(HTTPStatus.NOT_FOUND, sentence)


def frame(call: Call) -> Response:
    """The snapshot, its links for one role."""
    role = _role(call)
    shown = kept(call.services.redis, call.path["kept"]).get("found", {}).get("shown")
    if shown is None:
        raise expired()
    labels = role_labels(call)
    tabs = " ".join(
        f'<a href="../{each}/" target="_self"{" aria-current=true" if each == role else ""}>{html.escape(label)}</a>'
        for each, label in labels.items()
    )
    cut = f"<p>{html.escape(call.say('The page goes on; more of it is not shown.'))}</p>" if shown["is_cut"] else ""
    title = html.escape(call.say("Snapshot of the page"))
    hint = html.escape(call.say("A click makes it the"))
    content = (
        f'<!DOCTYPE html><html lang="{call.language}"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><base target="_top">'
        f'<style>{STYLE}</style></head><body><nav aria-label="{hint}">{hint} {tabs}</nav>'
        f'<main lang="">{shown["html"]}{cut}</main></body></html>'
    )
    return Response(content.encode("utf-8", "replace"), media_type=HTML, headers=HEADERS)


def role_labels(call: Call) -> dict[str, str]:
    """What an element can be, in the reader's language."""
    labels = (call.say("row"), call.say("title"), call.say("date"), call.say("author"))
    return dict(zip(ROLES, labels, strict=True))


def clicked(call: Call) -> Response:
    """Go on, with the session: this page is ours, so the browser sends it along from here."""
    name, number = call.path["kept"], call.path["number"]
    if not _NAME.fullmatch(name) or not _NUMBER.fullmatch(number):
        raise ProblemError(HTTPStatus.NOT_FOUND, "there is no such page")
    address = html.escape(f"{ROOT}/try/{name}?pick={_role(call)}:{number}")
    words = html.escape(call.say("Go on"))
    content = (
        f'<!DOCTYPE html><html lang="{call.language}"><head><meta charset="utf-8"><title>crawlpush</title>'
        f'<meta http-equiv="refresh" content="0;url={address}"></head>'
        f'<body><p><a href="{address}">{words}</a></p></body></html>'
    )
    return Response(content, media_type=HTML, headers=SECURITY_HEADERS)


def _role(call: Call) -> str:
    role = call.path["role"]
    if role not in ROLES:
        raise ProblemError(HTTPStatus.NOT_FOUND, "there is no such page")
    return role
