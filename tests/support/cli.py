"""The command line, in this process."""

from collections.abc import Callable
from typing import Any

from click.testing import CliRunner, Result

from pipeline.settings import get_settings
from scripts.cli import main

Run = Callable[..., Result]


def runner(*command: str) -> Run:
    """Runs a command with further words; it must end with the exit code `code`, unless that is None."""

    def run(*arguments: str, code: int | None = 0, **options: Any) -> Result:
        # As a process of its own reads them.
        get_settings.cache_clear()
        result = CliRunner().invoke(main, [*command, *arguments], **options)
        assert code in {None, result.exit_code}, result.output
        assert "Traceback" not in result.output
        return result

    return run


crawlpush = runner()
