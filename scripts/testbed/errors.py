"""What goes wrong with an installation under test."""

from scripts.errors import CommandError


class InstallationError(CommandError):
    """It does not do what was waited for; the sentence says what, and what the processes said last."""
