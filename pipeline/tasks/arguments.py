"""The ids that a message carries, checked: whoever can write to the broker can write anything."""

from pipeline.errors import PipelineError

LARGEST_ID = 2**63 - 1
"""What a BIGINT holds."""


class BadMessageError(PipelineError, ValueError):
    """A message whose arguments are no ids. It is dropped: what is owed stands in the database."""


def are_ids(*values: object) -> bool:
    """Whether each value is an id."""
    return all(type(value) is int and 0 < value <= LARGEST_ID for value in values)


def require_ids(**arguments: object) -> None:
    """Raise BadMessageError unless each argument is an id."""
    for name, value in arguments.items():
        if not are_ids(value):
            raise BadMessageError(f"{name} is no id but {type(value).__name__}: the message is dropped")
