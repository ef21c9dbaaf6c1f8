"""`crawlpush board`: run the loopback demo board by hand."""

from pathlib import Path

import click

from pipeline.basics.text import printable
from scripts.board.posts import DEFAULT_SEED, BoardPost
from scripts.board.server import BoardServer
from scripts.local.serving import serve, server_options


@click.command("board")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    help="Port on 127.0.0.1; 0 is any free one. [default: the usual one if it is free]",
)
@click.option(
    "--every",
    type=click.FloatRange(0, 86_400),
    default=5.0,
    show_default=True,
    help="Seconds between new posts; 0 adds none.",
)
@click.option("--seed", type=int, default=DEFAULT_SEED, show_default=True, help="The same seed gives the same titles.")
@click.option(
    "--file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Keep the posts in this file, so that a restart continues the board.",
)
@click.option("--verbose", is_flag=True, help="Print a line for each new post.")
@server_options
def board(
    *,
    port: int | None,
    every: float,
    seed: int,
    file: Path | None,
    verbose: bool,
    until_stdin_closes: bool,
    ready_fd: int | None,
) -> None:
    """Run a loopback notice board in Korean and English that gains posts, to crawl."""
    server = BoardServer(port=port, every=every, seed=seed, file=file, on_post=_print_post if verbose else None)

    def announce() -> None:
        rhythm = f"It gains a post every {every:g} s." if every else "It gains no posts by itself."
        click.echo(f"The demo board is at {server.url} (RSS: {server.base_url}/feed.xml). {rhythm}")

    serve(server, announce=announce, until_stdin_closes=until_stdin_closes, ready_fd=ready_fd)


def _print_post(post: BoardPost) -> None:
    click.echo(f"New post: {printable(post.title)}")
