"""The base of what this package raises."""


class StorageError(Exception):
    """What the database holds, or cannot take, stands in the way. The message is the sentence that the user reads."""
