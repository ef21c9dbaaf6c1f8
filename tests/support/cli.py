"""The command line, in this process."""

from collections.abc import Callable

from click.testing import CliRunner, Result

from scripts.cli import main

Run = Callable[..., Result]


def runner(*command: str) -> Run:
    """Runs a command with further words; it must end with the exit code `code`."""

    def run(*arguments: str, code: int = 0) -> Result:
        result = CliRunner().invoke(main, [*command, *arguments])
        assert result.exit_code == code, result.output
        return result

    return run
