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


def terms_of(text: str) -> list[tuple[str, bool]]:
    """Read character by character: inside quotation marks a space belongs to the term. With whether it was quoted."""
    terms, term, quoted, was_quoted = [], "", False, False
    for character in text + " ":
        if character == '"':
            quoted = not quoted
            was_quoted = True
        elif character == " " and not quoted:
            terms.append((term, was_quoted))
            term, was_quoted = "", False
        else:
            term += character
    return [(term, exact) for term, exact in terms if term]


def spacings(term: str) -> list[str]:
    """Every way of writing a compound with single spaces between parts of two syllables or more."""
    found = [term]
    for cut in range(2, len(term) - 1):
        found += [f"{term[:cut]} {rest}" for rest in spacings(term[cut:])]
    return found


def is_compound(term: str) -> bool:
    return len(term) >= 4 and all("가" <= character <= "힣" for character in term)


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
    return any(
        all(term_stands(term, exact, text, kind, *parts) for term, exact in alternative)
        for alternative in alternatives_of(text)
        if alternative
    )


def alternatives_of(text: str) -> list[list[tuple[str, bool]]]:
    alternatives: list[list[tuple[str, bool]]] = [[]]
    for term in terms_of(text):
        if term == ("|", False):
            alternatives.append([])
        else:
            alternatives[-1].append(term)
    return alternatives


def term_stands(term: str, exact: bool, text: str, kind: str, *parts: str) -> bool:
    """Whether one term of a phrase (canonical text) is in the parts of a post."""
    strict = all(script(character) != "spaced" for other, _ in terms_of(text) for character in other)
    return any(stands_in(each, part, kind, strict=strict) for part in parts for each in ways(term, exact, kind, strict))


def ways(term: str, exact: bool, kind: str, strict: bool) -> list[str]:
    """How a post may write a term."""
    whole_words = kind == "word" and strict
    return spacings(term) if is_compound(term) and not exact and not whole_words else [term]
