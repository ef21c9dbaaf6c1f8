"""`python -m pipeline.worker.launch worker|beat OPTIONS`: Celery's worker and beat, with Celery's options for each.

`celery -q -A pipeline worker` does the same, and keeps Celery's command line in memory beside it: a shell, colours,
plugins such as flower.
"""

import gc
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import click

from pipeline.basics import memory

if TYPE_CHECKING:
    from celery import Celery

PROGRAM = "python -m pipeline.worker.launch"


def load() -> "tuple[Celery, click.Group]":
    """The app with its tasks, and Celery's commands for the two."""
    from pipeline.celery import app

    # Celery would colour with it what no worker prints.
    colours = {"pygments": sys.modules.get("pygments")}
    sys.modules["pygments"] = None  # type: ignore[assignment]
    try:
        from celery.bin.beat import beat
        from celery.bin.worker import worker
    finally:
        del sys.modules["pygments"]
        sys.modules.update({name: module for name, module in colours.items() if module})
    app.loader.import_default_modules()
    return app, click.Group(commands={"worker": worker, "beat": beat})


def parsed(arguments: Sequence[str]) -> Callable[[], object]:
    """What runs one of the two until a signal comes. Raises what click does, for a command line that has no sense.

    For whoever forks it: 3 MB of memory are touched to read a command line, and never again.
    """
    from celery.bin.base import CLIContext

    app, group = load()
    context = CLIContext(app=app, no_color=False, workdir=None, quiet=True)
    command = group.commands[arguments[0]]
    ready = command.make_context(arguments[0], list(arguments[1:]), obj=context)

    def run() -> object:
        # In click's own way from here on, which says what went wrong and gives the exit code.
        vars(command)["make_context"] = lambda *_, **__: ready
        return command.main([], prog_name=PROGRAM)

    return run


def main() -> None:
    """Run until a signal comes."""
    memory.one_arena()
    # Next to nothing that importing makes is garbage, and looking for it takes a sixth of the time.
    gc.disable()
    app, group = load()
    gc.freeze()
    gc.enable()
    from celery.bin.base import CLIContext

    context = CLIContext(app=app, no_color=False, workdir=None, quiet=True)
    group.main(prog_name=PROGRAM, obj=context)


if __name__ == "__main__":
    main()
