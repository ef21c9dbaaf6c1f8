"""The base of what this package raises."""


class SpiderError(Exception):
    """A site cannot be read as its definition says. The message is the sentence that the user or the log reads."""
