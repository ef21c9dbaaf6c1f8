"""A request for a page, as its handler sees it, and what it may answer."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any, Final

from starlette.responses import RedirectResponse, Response

from pipeline.web.context import Context
from pipeline.web.pages.mount import ROOT
from pipeline.web.pages.rendering import SECURITY_HEADERS, number, render, translate
from pipeline.web.pages.signing_in import Asked, Operator

HTML: Final = "text/html; charset=utf-8"
_LARGEST_ID: Final = 2**63 - 1
_ID_DIGITS: Final = len(str(_LARGEST_ID))
_SPANS: Final = (("{n} d", 86_400), ("{n} h", 3600), ("{n} min", 60), ("{n} s", 1))


@dataclass(frozen=True, kw_only=True)
class Call:
    """One request."""

    services: Context = field(repr=False)
    asked: Asked
    language: str
    # None: nobody is signed in, and the page is for everybody.
    operator: Operator | None = None
    path: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    form: Mapping[str, str] = field(default_factory=dict, repr=False)
    at: datetime

    def say(self, sentence: str, **values: object) -> str:
        """A sentence in the reader's language."""
        return translate(self.language, sentence, **values)

    def span(self, seconds: float) -> str:
        """How long something takes or lasts, in its largest unit."""
        words, size = next((each for each in _SPANS if seconds >= each[1]), _SPANS[-1])
        return self.say(words, n=number(int(seconds // size)))

    def ago(self, at: datetime | None) -> str:
        """How far a moment is from now."""
        if at is None:
            return "–"
        seconds = (self.at - at).total_seconds()
        return self.say("{span} ago" if seconds >= 0 else "in {span}", span=self.span(abs(seconds)))

    def when(self, at: datetime | None) -> str:
        """A moment in the zone of DISPLAY_TIMEZONE, or the machine's."""
        if at is None:
            return "–"
        local, today = (each.astimezone(self.services.settings.display_zone) for each in (at, self.at))
        is_near = abs(at - self.at) < timedelta(hours=20) and local.date() == today.date()
        return local.strftime("%H:%M:%S" if is_near else "%Y-%m-%d %H:%M")

    def page(self, template: str, status: int = HTTPStatus.OK, **values: Any) -> Response:
        """A page for a person."""
        content = render(
            template,
            self.language,
            root=ROOT,
            call=self,
            operator=self.operator,
            ago=self.ago,
            when=self.when,
            span=self.span,
            **values,
        )
        return Response(content, status, media_type=HTML, headers=SECURITY_HEADERS)


Handler = Callable[[Call], Response]


def id_of(text: str) -> int | None:
    """The id that a text of an address or a form is; None when it is none that a row can have."""
    number = int(text) if text.isascii() and text.isdigit() and len(text) <= _ID_DIGITS else 0
    return number if 0 < number <= _LARGEST_ID else None


def go_to(path: str) -> Response:
    """Send the browser to a page of ours, after a form or instead of what it asked for."""
    return RedirectResponse(ROOT + path, HTTPStatus.SEE_OTHER, headers=SECURITY_HEADERS)
