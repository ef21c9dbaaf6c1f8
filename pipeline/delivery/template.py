"""What a site says in its messages: templates with a few placeholders, checked when they are set. Pure."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from functools import lru_cache
from string import Formatter
from typing import Any
from urllib.parse import quote, urlsplit

from pipeline.errors import PipelineError
from pipeline.push.payload import reserved_data_keys

TEXT_PLACEHOLDERS = ("title", "body", "excerpt", "phrase", "site", "author", "url", "post_id")
LINK_PLACEHOLDERS = ("url", "post_id", "site")

SEPARATORS = frozenset(" ·•—–-|/:;,")
"""A piece of a template made of these alone separates two placeholders: beside an empty one it is left out."""
MAX_TEMPLATE = 500


class TemplateError(PipelineError, ValueError):
    """A template that cannot be used; the sentence names it, what is wrong, and what is allowed."""


@dataclass(frozen=True, kw_only=True)
class PushTemplate:
    """How a site's posts become messages. Raises TemplateError."""

    title: str = "{title}"
    body: str = "{phrase} · {site} — {excerpt}"
    # Where a tap leads; in a link of your own the placeholders are percent-encoded.
    link: str = "{url}"
    # iOS groups the notifications of one thread.
    thread_id: str = "{site}"
    # "default", "" for silence, or the name of a sound in the app.
    sound: str = "default"
    # The Android notification channel; "" for the app's own default.
    channel_id: str = ""
    # The Android channel of what only replaces a text that is shown; "" for the same.
    quiet_channel_id: str = ""
    # The https address of a picture; "" for none.
    image: str = ""
    # Whether the app's icon shows the number of unread notifications.
    badge: bool = True
    # Further values for the app; their texts are templates like the body's.
    data: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("title", "body", "thread_id"):
            _check(name, getattr(self, name), TEXT_PLACEHOLDERS)
        _check("link", self.link, LINK_PLACEHOLDERS)
        if not self.link.startswith("{url}") and not urlsplit(self.link).scheme:
            raise TemplateError(f"link: {self.link!r} is no address: begin with {{url}}, https:// or the app's scheme")
        for name in ("sound", "channel_id", "quiet_channel_id"):
            _check_plain(name, getattr(self, name))
        _check_plain("image", self.image)
        if self.image and (urlsplit(self.image).scheme != "https" or not urlsplit(self.image).hostname):
            raise TemplateError(f"image: {self.image!r} is no https:// address; phones fetch pictures from no other")
        reserved = reserved_data_keys(self.data)
        if reserved:
            raise TemplateError(f"data: {', '.join(reserved)} is reserved by FCM or APNs: choose another name")
        for name, text in self.data.items():
            _check(f"data {name}", text, TEXT_PLACEHOLDERS)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "PushTemplate":
        """The template of a site from its column; what is not there is the default. Raises TemplateError."""
        known = {f.name: type(f.default) for f in fields(cls)}
        for name, value in values.items():
            if name not in known:
                raise TemplateError(f"there is no {name!r} in a message: the names are {', '.join(known)}")
            fits = _all_text(value) if name == "data" else isinstance(value, known[name])
            if not fits:
                kind = {"data": "texts by name", "badge": "true or false"}.get(name, "a text")
                raise TemplateError(f"{name}: {kind} is expected")
        return cls(**values)

    def to_json(self) -> dict[str, Any]:
        """What differs from the default, for the site's column."""
        mine, usual = asdict(self), asdict(PushTemplate())
        return {name: value for name, value in mine.items() if value != usual[name]}


def reads_body(template: PushTemplate) -> bool:
    """Whether any text of a message is made of a post's body."""
    texts = (template.title, template.body, *template.data.values())
    return any(name in {"body", "excerpt"} for text in texts for _, name in _pieces(text))


def fill(template: str, values: Mapping[str, str]) -> str:
    """The template with its placeholders replaced. A separator stands only between two that are not empty."""
    text, separator = "", ""
    for literal, name in _pieces(template):
        if literal and SEPARATORS.issuperset(literal):
            separator = literal if text else ""
        elif literal:
            text, separator = text + separator + literal, ""
        value = values[name] if name else ""
        if value:
            text, separator = text + separator + value, ""
    return text


def fill_link(template: str, values: Mapping[str, str]) -> str:
    """The link with its placeholders replaced; a page's own address at its beginning stays as it is."""
    text = ""
    for literal, name in _pieces(template):
        text += literal
        if name:
            text += values[name] if name == "url" and not text else quote(values[name], safe="")
    return text


@lru_cache(maxsize=1024)
def _pieces(template: str) -> tuple[tuple[str, str | None], ...]:
    return tuple((literal, name) for literal, name, _, _ in Formatter().parse(template))


def _all_text(value: object) -> bool:
    return isinstance(value, Mapping) and all(
        isinstance(key, str) and isinstance(text, str) for key, text in value.items()
    )


def _check_plain(name: str, text: str) -> None:
    if len(text) > MAX_TEMPLATE or not text.isprintable():
        raise TemplateError(f"{name}: at most {MAX_TEMPLATE} printable characters are expected")


def _check(name: str, template: str, allowed: tuple[str, ...]) -> None:
    _check_plain(name, template)
    if not template and name == "title":
        raise TemplateError("title: a message needs one, for example {title}")
    try:
        pieces = list(Formatter().parse(template))
    except ValueError as error:
        raise TemplateError(f"{name}: {template!r} is no template ({error}); write {{{{ for a brace") from None
    for _, placeholder, spec, conversion in pieces:
        if placeholder is None:
            continue
        if placeholder not in allowed:
            shown = ", ".join(f"{{{word}}}" for word in allowed)
            raise TemplateError(f"{name}: there is no placeholder {{{placeholder}}}: use {shown}")
        if spec or conversion:
            raise TemplateError(f"{name}: {{{placeholder}}} stands alone, without ':' or '!'")
