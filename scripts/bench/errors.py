"""What goes wrong with a benchmark."""

from scripts.errors import CommandError


class BenchmarkError(CommandError, RuntimeError):
    """What was to be measured cannot be, or failed; the sentence says what, and what the processes said."""
