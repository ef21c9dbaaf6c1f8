"""Drawing, for whoever has matplotlib."""

import importlib.util
from typing import Any

import click

NEEDS = "the plot needs matplotlib: pip install 'crawlpush[bench]'"


def can_draw() -> bool:
    """Whether matplotlib is there."""
    return importlib.util.find_spec("matplotlib") is not None


def require_drawing() -> None:
    """Raise ClickException without matplotlib: before a measurement, whose figures would be lost with the plot."""
    if not can_draw():
        raise click.ClickException(NEEDS)


def new_figure(width: float, height: float) -> Any:
    """An empty matplotlib figure of so many inches. Raises ClickException without matplotlib."""
    require_drawing()
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")
