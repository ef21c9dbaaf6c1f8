"""Drawing, for whoever has matplotlib."""

from typing import Any

import click


def new_figure(width: float, height: float) -> Any:
    """An empty matplotlib figure of so many inches. Raises ClickException without matplotlib."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise click.ClickException("the plot needs matplotlib: pip install 'crawlpush[bench]'") from None
    return Figure(figsize=(width, height), layout="constrained")
