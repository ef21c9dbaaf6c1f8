"""From a template and values to a page, in the reader's language. Loads Jinja2 and the standard library alone.

The loopback push gateway draws its phones with it too, so it knows neither the API nor the database.
"""

import hashlib
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache, partial
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from pipeline.basics.text import last_line
from pipeline.web.pages.said import said

FOLDER: Final = Path(__file__).parent
LANGUAGES: Final = ("en", "ko")
"""The first is what is written in the templates; pages/korean.toml has the other."""
LANGUAGE_COOKIE: Final = "language"
MEDIA_TYPES: Final = {
    ".svg": "image/svg+xml",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
}

SECURITY_HEADERS: Final = {
    # Nothing but our own stylesheet and htmx: no inline script, no style attribute, no picture from elsewhere.
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; "
    "img-src 'self'; form-action 'self'; frame-src 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}


@dataclass(frozen=True, kw_only=True)
class StaticFile:
    """A file that every page shares."""

    media_type: str
    content: bytes


@cache
def static_files() -> Mapping[str, StaticFile]:
    """The stylesheet, htmx and the icon, by name."""
    paths = [path for path in (FOLDER / "static").iterdir() if path.suffix in MEDIA_TYPES]
    return {path.name: StaticFile(media_type=MEDIA_TYPES[path.suffix], content=path.read_bytes()) for path in paths}


@cache
def static_address(name: str) -> str:
    """Where a page finds a static file: another address once it changed, so that a browser may keep it for long."""
    return f"static/{name}?{hashlib.sha256(static_files()[name].content).hexdigest()[:12]}"


@cache
def korean() -> Mapping[str, str]:
    """The Korean of each sentence."""
    return dict(tomllib.loads((FOLDER / "korean.toml").read_text(encoding="utf-8")))


def translate(language: str, sentence: str, **values: object) -> str:
    """A sentence in a language, its {placeholders} filled. One that nobody translated stays English."""
    text = korean().get(sentence, sentence) if language == "ko" else sentence
    return text.format(**values) if values else text


def language_of(wanted: str | None, kept: str | None, accepted: str | None) -> str:
    """The language to answer in: what the switch says, else what it said before, else what the browser likes best.

    accepted is Accept-Language (RFC 9110, 12.5.4), such as "ko-KR,ko;q=0.9,en;q=0.8".
    """
    for chosen in (wanted, kept):
        if chosen in LANGUAGES:
            return chosen
    liked = []
    for place, entry in enumerate((accepted or "").split(",")):
        tag, _, weight = entry.partition(";")
        liked.append((-_weight(weight), place, tag.strip().lower().partition("-")[0]))
    return next((tag for weight, _, tag in sorted(liked) if tag in LANGUAGES and weight < 0), LANGUAGES[0])


def _weight(text: str) -> float:
    name, _, value = text.strip().partition("=")
    try:
        return float(value) if name == "q" else 1.0
    except ValueError:
        return 0.0


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(FOLDER / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.filters.update(FILTERS)
    environment.globals["static"] = static_address
    return environment


def render(template: str, language: str, **values: Any) -> bytes:
    """A page as bytes. A text may hold lone surrogates, which JSON can write and UTF-8 cannot."""

    def _(sentence: str, **filled: object) -> str:
        return translate(language, sentence, **filled)

    page = _environment().get_template(template).render(_=_, told=partial(said, language), language=language, **values)
    return page.encode("utf-8", "replace")


def clock(at: datetime | None) -> str:
    """A moment of today, to the minute."""
    return "" if at is None else at.strftime("%H:%M")


def number(value: float) -> str:
    """A number with a comma after each three digits."""
    return f"{value:,}"


FILTERS: Final[Mapping[str, Callable[..., Any]]] = {"clock": clock, "last_line": last_line, "number": number}
