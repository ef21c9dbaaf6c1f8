"""What went wrong, in one sentence, without importing the libraries whose errors are meant.

An error of a library can only come from a library that is loaded: it is looked for there.
"""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from pipeline.basics.text import first_line
from scripts.errors import OUR_ERRORS


def sentence_of(error: Exception) -> str | None:
    """The sentence for the user; None for what is a defect and should show its traceback."""
    if isinstance(error, OUR_ERRORS):
        return str(error)
    for module, name, sentence in _LIBRARIES:
        kind = getattr(sys.modules.get(module), name, None)
        if kind is not None and isinstance(error, kind):
            return sentence(error)
    return _of_file(error) if isinstance(error, OSError) and error.filename is not None else None


def _of_redis(error: Exception) -> str:
    from pipeline.startup import redis_sentence

    return redis_sentence(error)


def _of_database(error: Exception) -> str:
    return f"the database cannot be used: {first_line(getattr(error, 'orig', error))}. Check DATABASE_URL"


def _of_file(error: OSError) -> str:
    """What to tell a person who may not have a file, with its owner where that is somebody else."""
    path = os.fsdecode(error.filename) if isinstance(error.filename, str | bytes) else str(error.filename)
    said = f"{path}: {error.strerror or type(error).__name__}"
    owner = owner_of(path) if isinstance(error, PermissionError) else None
    return f"{said}; it belongs to {owner}: run this as {owner}, or give it to yourself with chown" if owner else said


def owner_of(path: str) -> str | None:
    """The user to whom a file belongs, or the nearest folder above it that can be seen, unless that is ourselves."""
    import pwd

    file = Path(path).absolute()
    for each in (file, *file.parents):
        try:
            uid = each.stat().st_uid
        except OSError:
            # It is not there, or its folder may not be looked into.
            continue
        if uid == os.geteuid():
            return None
        try:
            return pwd.getpwuid(uid).pw_name
        except KeyError:
            return f"user {uid}"
    return None


_LIBRARIES: Final[tuple[tuple[str, str, Callable[[Exception], str]], ...]] = (
    ("redis.exceptions", "RedisError", _of_redis),
    ("kombu.exceptions", "OperationalError", _of_redis),
    ("sqlalchemy.exc", "OperationalError", _of_database),
)
"""The module of an error, its name there, and the sentence for it."""
