"""What went wrong, in one sentence, without importing the libraries whose errors are meant.

An error of a library can only come from a library that is loaded: it is looked for there.
"""

import errno
import sys
from collections.abc import Callable
from typing import Final

from pipeline.basics.owners import file_sentence
from pipeline.basics.text import first_line
from scripts.errors import OUR_ERRORS

_FULL: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
"""What standard output answers where it leads to a file. A pipe that nobody reads is click's."""


def sentence_of(error: Exception) -> str | None:
    """The sentence for the user; None for what is a defect and should show its traceback."""
    if isinstance(error, OUR_ERRORS):
        return str(error)
    for module, name, sentence in _LIBRARIES:
        kind = getattr(sys.modules.get(module), name, None)
        if kind is not None and isinstance(error, kind):
            return sentence(error)
    if isinstance(error, OSError) and error.errno in _FULL and error.filename is None:
        return f"what this says cannot be written: {error.strerror}"
    return file_sentence(error) if isinstance(error, OSError) and error.filename is not None else None


def _of_redis(error: Exception) -> str:
    from pipeline.startup import redis_sentence

    return redis_sentence(error)


def _of_database(error: Exception) -> str:
    return f"the database cannot be used: {first_line(getattr(error, 'orig', error))}. Check DATABASE_URL"


_LIBRARIES: Final[tuple[tuple[str, str, Callable[[Exception], str]], ...]] = (
    ("redis.exceptions", "RedisError", _of_redis),
    ("kombu.exceptions", "OperationalError", _of_redis),
    ("sqlalchemy.exc", "OperationalError", _of_database),
)
"""The module of an error, its name there, and the sentence for it."""
