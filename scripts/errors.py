"""The base of what this package raises, and what a command turns into a sentence."""

from typing import Final

from pipeline.errors import PipelineError
from spiders.errors import SpiderError
from storage.errors import StorageError


class CommandError(Exception):
    """A command cannot do what it is asked for. The message is the sentence that the user reads."""


OUR_ERRORS: Final = (CommandError, PipelineError, SpiderError, StorageError)
"""Each package's base: their messages are meant for the user. Anything else is a defect, and shows its traceback."""
