"""A matcher that is slow and obviously right: one phrase, one post, every place looked at by itself."""

import unicodedata

UNSPACED = (
    "HANGUL",
    "HIRAGANA",
    "KATAKANA",
    "COMBINING KATAKANA",
    "CJK UNIFIED",
    "CJK COMPATIBILITY IDEOGRAPH",
    "IDEOGRAPHIC ITERATION",
    "THAI",
)


def terms_of(text: str) -> list[str]:
    """Read character by character: inside quotation marks a space belongs to the term."""
    terms, term, quoted = [], "", False
    for character in text + " ":
        if character == '"':
            quoted = not quoted
        elif character == " " and not quoted:
            terms.append(term)
            term = ""
        else:
            term += character
    return [term for term in terms if term]


def script(character: str) -> str:
    if unicodedata.category(character)[0] not in "LMN":
        return "none"
    return "unspaced" if unicodedata.name(character, "").startswith(UNSPACED) else "spaced"


def stands_in(term: str, text: str, kind: str, *, strict: bool) -> bool:
    for start in range(len(text) - len(term) + 1):
        if text[start : start + len(term)] != term:
            continue
        neighbours = [(text[start - 1] if start else " ", term[0]), ((text + " ")[start + len(term)], term[-1])]
        if kind == "substring" or not any(joined(*pair, strict=strict) for pair in neighbours):
            return True
    return False


def joined(outside: str, inside: str, *, strict: bool) -> bool:
    """Whether the neighbour makes the word longer."""
    if script(inside) == "unspaced" and not strict:
        return False
    return script(inside) != "none" and script(outside) == script(inside)


def matches(text: str, kind: str, *parts: str) -> bool:
    """Whether the phrase (canonical text) is in the parts of a post (normalised)."""
    terms = terms_of(text)
    strict = all(script(character) != "spaced" for term in terms for character in term)
    return all(any(stands_in(term, part, kind, strict=strict) for part in parts) for term in terms)
