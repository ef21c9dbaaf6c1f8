"""The ids that a message carries, checked: whoever can write to the broker can write anything."""

LARGEST_ID = 2**63 - 1
"""What a BIGINT holds."""


class BadMessageError(ValueError):
    """A message whose arguments are no ids. It is dropped: what is owed stands in the database."""


def require_ids(**arguments: object) -> None:
    """Raise BadMessageError unless each argument is an id."""
    for name, value in arguments.items():
        if type(value) is not int or not 0 < value <= LARGEST_ID:
            raise BadMessageError(f"{name} is no id but {type(value).__name__}: the message is dropped")
