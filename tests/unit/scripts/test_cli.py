"""The command as a whole: what it loads before it knows what is asked, how it says what went wrong, how it helps."""

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator

import click
import pytest
from click.testing import CliRunner
from kombu.exceptions import OperationalError as BrokerError
from redis.exceptions import ConnectionError as RedisConnectionError
from sqlalchemy.exc import OperationalError

from scripts.cli import main
from scripts.examples import EXAMPLES
from scripts.failures import sentence_of
from scripts.groups import UNCUT, LazyGroup, leaves
from scripts.json_answers import UNTIL_STOPPED, add_json
from tests.support.cli import crawlpush

LIBRARIES = {
    "aiohttp",
    "alembic",
    "apns2",
    "celery",
    "cryptography",
    "feedparser",
    "google",
    "kombu",
    "lxml",
    "prompt_toolkit",
    "psycopg",
    "pydantic",
    "pyfcm",
    "pygments",
    "redis",
    "requests",
    "rich",
    "scrapy",
    "sqlalchemy",
    "tornado",
    "twisted",
}
"""Each takes longer to load than a person should wait for help."""
DATABASE = {"pydantic", "sqlalchemy"}


def loaded(code: str, **environment: str) -> set[str]:
    """The names of all modules that a fresh Python has loaded when the code has ended."""
    # What it says goes where it likes; the names come last.
    code = f"import sys\ntry:\n    {code}\nexcept SystemExit:\n    pass\nprint()\nprint(*sys.modules)"
    run = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | environment, capture_output=True, text=True, check=True
    )
    return set(run.stdout.splitlines()[-1].split())


def libraries(modules: set[str]) -> set[str]:
    return LIBRARIES & {module.partition(".")[0] for module in modules}


def running(*arguments: str) -> str:
    return f"from scripts.cli import main; main({list(arguments)!r}, prog_name='crawlpush')"


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["sties"], ["completion", "bash"]], ids=" ".join)
def test_help_loads_no_library_and_no_command(arguments: list[str]) -> None:
    modules = loaded(running(*arguments))
    assert libraries(modules) == set()
    assert {m for m in modules if m.startswith("scripts.commands.")} <= {"scripts.commands.completion"}


def test_completing_a_command_loads_no_library_and_no_command() -> None:
    modules = loaded(running(), _CRAWLPUSH_COMPLETE="bash_complete", COMP_WORDS="crawlpush s", COMP_CWORD="1")
    assert "click.shell_completion" in modules
    assert libraries(modules) == set()
    assert not {m for m in modules if m.startswith("scripts.commands.")}


@pytest.mark.parametrize(
    ("module", "allowed"),
    [
        ("scripts.commands.sites", DATABASE),
        ("scripts.commands.notifications", DATABASE),
        ("scripts.commands.posts", DATABASE),
        ("scripts.commands.pause", DATABASE),
        # It asks Redis and the broker too; its rows are no tables, and it has no credentials to look into.
        ("scripts.commands.status", {*DATABASE, "celery", "kombu", "redis"}),
    ],
)
def test_a_command_loads_only_what_it_uses(module: str, allowed: set[str]) -> None:
    # redis-py loads cryptography for TLS where it is there.
    assert libraries(loaded(f"import {module}")) - {"cryptography"} <= allowed


def lazy_groups() -> Iterator[tuple[str, LazyGroup]]:
    yield "crawlpush", main
    for name, lazy in main.lazy.items():
        if isinstance(group := lazy.load(), LazyGroup):
            yield name, group


def test_what_stands_beside_a_name_is_what_the_command_says_of_itself() -> None:
    for path, group in lazy_groups():
        for name, lazy in group.lazy.items():
            command = lazy.load()
            assert (path, name, lazy.help) == (path, name, command.get_short_help_str(UNCUT))
            assert command.name == name


def test_help_says_each_sentence_in_full_within_80_columns() -> None:
    output = crawlpush("sites", "--help", terminal_width=80).output
    assert "..." not in output.replace("[ARGS]...", "").replace("COMMAND", "")
    assert max(map(len, output.splitlines())) <= 80


@pytest.mark.parametrize(
    ("typed", "advice"),
    [
        (["statuss"], "did you mean 'status'?"),
        (["site", "list"], "did you mean 'sites'?"),
        (["sites", "lst"], "did you mean 'list'?"),
        (["sites", "ad"], "did you mean 'add'?"),
        (["qqqq"], "`crawlpush --help` lists them"),
    ],
)
def test_a_name_that_is_not_known_is_answered_with_the_nearest(typed: list[str], advice: str) -> None:
    result = crawlpush(*typed, prog_name="crawlpush", code=2)
    assert result.output.rstrip().endswith(advice)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_gets_its_completion(shell: str) -> None:
    result = crawlpush("completion", shell)
    assert f"_CRAWLPUSH_COMPLETE={shell}_complete" in result.output


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (RedisConnectionError("refused"), "Redis cannot be reached: refused"),
        (BrokerError("refused"), "REDIS_URL"),
        (OperationalError("SELECT 'secret'", {}, Exception("no such host\nDETAIL: secret")), "no such host. Check"),
        (FileNotFoundError(2, "No such file or directory", "/nowhere"), "/nowhere: No such file or directory"),
        (PermissionError(13, "Permission denied", b"/nowhere"), "/nowhere: Permission denied"),
        (OSError(28, "No space left on device"), "what this says cannot be written: No space left on device"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_error_of_a_library_is_one_sentence(error: Exception, words: str) -> None:
    sentence = sentence_of(error)
    assert words in sentence
    assert "secret" not in sentence


@pytest.mark.parametrize("error", [KeyError("x"), OSError("no file is named"), click.exceptions.Exit(1)])
def test_a_defect_has_no_sentence(error: Exception) -> None:
    assert sentence_of(error) is None


def test_a_terminal_that_lacks_a_letter_shows_a_question_mark() -> None:
    code = (
        "import click; from scripts import cli\n"
        "cli.main.add_command(click.Command('say', callback=lambda: print('장학')))\n"
        "cli.main(['say'])"
    )
    run = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONIOENCODING": "ascii"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (run.returncode, run.stdout.strip(), run.stderr) == (0, "??", "")


@pytest.mark.parametrize(
    ("shell", "code", "said"),
    [(">/dev/full", 1, "Error: what this says cannot be written: No space left on device\n"), (">&-", 0, "")],
)
def test_a_full_disk_and_a_closed_output_are_no_defects(shell: str, code: int, said: str) -> None:
    words = f"{sys.executable} -m scripts.cli completion bash {shell}"
    run = subprocess.run(words, shell=True, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stderr) == (code, said)


def test_each_page_has_an_example_that_the_command_understands() -> None:
    seen = dict(leaves(main))
    assert set(EXAMPLES) <= set(seen)
    for name in {path.partition(" ")[0] for path in seen if " " in path}:
        group = main.get_command(click.Context(main), name)
        assert f"Example:\n  crawlpush {name} " in (group.epilog or "")
    for path, command in seen.items():
        assert f"Example:\n  crawlpush {path.replace('forget', 'remove')}" in (command.epilog or ""), path
        words = shlex.split(EXAMPLES.get(path, EXAMPLES["users remove"]).partition(" >> ")[0])
        try:
            command.make_context(path, words).close()
        except click.MissingParameter:
            raise
        except click.BadParameter as error:
            # A file that only the reader has.
            if not re.search("No such file|does not exist", error.message):
                raise


def test_every_command_that_ends_speaks_json() -> None:
    for path, command in leaves(main):
        has_json = any("--json" in parameter.opts for parameter in command.params)
        assert has_json == (path not in UNTIL_STOPPED), path


ASK_FIRST = {
    "keys revoke",
    "locks release",
    "notifications drop",
    "notifications retry",
    "sites drop",
    "sites release",
    "sites remove",
    "sites repair",
    "users forget",
    "users remove",
}
"""What they do cannot be taken back, and is about more than the one thing that was named."""
LISTS = {"devices", "notifications", "posts", "sites", "subscriptions", "users"}


def test_what_cannot_be_taken_back_can_be_tried_and_is_asked_about() -> None:
    have = {path: {option for each in command.params for option in each.opts} for path, command in leaves(main)}
    assert {path for path, options in have.items() if "--yes" in options} == ASK_FIRST
    assert all("--dry-run" in have[path] for path in ASK_FIRST)


def test_long_lists_are_cut_and_looked_through_in_one_way() -> None:
    wanted = {"--after", "--since", "--before", "--match", "--limit", "--wide", "--json"}
    found = {
        path for path, command in leaves(main) if wanted <= {option for each in command.params for option in each.opts}
    }
    assert found == {f"{name} list" for name in LISTS} | {"sites runs"}


@pytest.mark.parametrize(
    ("typed", "code", "answer"),
    [
        (["qqqq", "--json"], 2, {"ok": False, "reason": "there is no command 'qqqq': `crawlpush --help` lists them"}),
        (["users", "add", "--json"], 2, {"ok": False, "reason": "Missing argument 'USER'."}),
        (["posts", "show", "0", "--json"], 2, {"ok": False}),
        (["users", "list", "--json"], 1, {"ok": False}),
    ],
)
def test_what_goes_wrong_is_told_in_json_with_the_same_exit_code(
    typed: list[str], code: int, answer: dict[str, object]
) -> None:
    result = crawlpush(*typed, prog_name="crawlpush", code=code)
    assert result.stderr == ""
    assert json.loads(result.stdout).items() >= answer.items()


@pytest.mark.parametrize(
    ("run", "code", "answer"),
    [
        (lambda: click.echo("장학금\nmore"), 0, {"ok": True, "said": ["장학금", "more"]}),
        (lambda: click.get_current_context().exit(1), 1, {"ok": False, "said": []}),
        (lambda: sys.exit(3), 3, {"ok": False, "said": []}),
    ],
)
def test_a_command_without_json_of_its_own_says_how_it_went(
    run: Callable[[], None], code: int, answer: dict[str, object]
) -> None:
    command = click.Command("say", callback=run)
    add_json("say", command)
    result = CliRunner().invoke(command, ["--json"])
    assert (result.exit_code, json.loads(result.stdout)) == (code, answer)


@pytest.mark.parametrize("command", [["doctor", "push", "--no-clock"], ["status"]])
@pytest.mark.parametrize(
    ("words", "environment", "is_coloured"),
    [
        (["--color", "always"], {}, True),
        (["--color", "always"], {"NO_COLOR": "1"}, True),
        (["--color", "never"], {}, False),
        ([], {"NO_COLOR": "1"}, False),
    ],
)
def test_colour_is_as_asked_for(
    words: list[str], environment: dict[str, str], is_coloured: bool, command: list[str]
) -> None:
    # Of `status`, which finds no servers, that is red.
    environment |= {"REDIS_URL": "redis://127.0.0.1:1/0", "DATABASE_URL": "postgresql://127.0.0.1:1/none"}
    result = crawlpush(*words, *command, env=environment, color=True, code=None)
    assert ("\x1b[" in result.output) == is_coloured


def test_quiet_prints_errors_alone() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "scripts.cli", "-q", "posts", "show", "0"], capture_output=True, text=True, check=False
    )
    assert (run.returncode, run.stdout) == (2, "")
    assert "Error" in run.stderr
