"""The base of what this package raises."""


class PipelineError(Exception):
    """A step of the pipeline cannot be taken. The message is the sentence that the user reads."""
