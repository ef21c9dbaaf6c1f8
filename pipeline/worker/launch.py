"""`python -m pipeline.worker.launch worker|beat OPTIONS`: Celery's worker and beat, with Celery's options for each.

`celery -q -A pipeline worker` does the same, and keeps Celery's command line in memory beside it: a shell, colours,
plugins such as flower.
"""

import gc
import sys
from typing import TYPE_CHECKING

import click

from pipeline.basics import memory

if TYPE_CHECKING:
    from celery import Celery


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
    group.main(prog_name="python -m pipeline.worker.launch", obj=context)


if __name__ == "__main__":
    main()
