"""Texts that others wrote, made fit for one line of a log, a table or a sentence. Pure."""


def printable(text: str) -> str:
    """The text on one line. What a page says may hold escape sequences; a terminal must not obey them."""
    return "".join(character if character.isprintable() else " " for character in text)


def first_line(text: object) -> str:
    """The first line of a text or an error, or nothing. What follows it in a database's error quotes the row."""
    return next(iter(str(text).strip().splitlines()), "")


def last_line(text: str) -> str:
    """The last line of a text, or nothing. In a traceback it is the error itself."""
    return ["", *text.strip().splitlines()][-1]
