"""The ids that a message carries, checked: whoever can write to the broker can write anything."""

from pipeline.basics.ids import are_ids
from pipeline.errors import PipelineError


class BadMessageError(PipelineError, ValueError):
    """A message whose arguments are no ids. It is dropped: what is owed stands in the database."""


def require_ids(**arguments: object) -> None:
    """Raise BadMessageError unless each argument is an id."""
    for name, value in arguments.items():
        if not are_ids(value):
            raise BadMessageError(f"{name} is no id but {type(value).__name__}: the message is dropped")
