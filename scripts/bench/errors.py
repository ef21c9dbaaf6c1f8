"""What goes wrong with a benchmark."""


class BenchmarkError(RuntimeError):
    """What was to be measured cannot be, or failed; the sentence says what, and what the processes said."""
