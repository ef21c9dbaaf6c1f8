"""What an id is. Pure."""

LARGEST_ID = 2**63 - 1
"""What a BIGINT holds."""


def are_ids(*values: object) -> bool:
    """Whether each value is an id."""
    return all(type(value) is int and 0 < value <= LARGEST_ID for value in values)
