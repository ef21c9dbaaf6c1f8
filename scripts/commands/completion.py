"""`crawlpush completion`."""

import click
from click.shell_completion import get_completion_class

WHERE = {
    "bash": "crawlpush completion bash > ~/.local/share/bash-completion/completions/crawlpush",
    "zsh": "crawlpush completion zsh > ~/.zfunc/_crawlpush",
    "fish": "crawlpush completion fish > ~/.config/fish/completions/crawlpush.fish",
}


@click.command()
@click.argument("shell", type=click.Choice(list(WHERE)))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print what makes a shell complete commands and options at TAB.

    Load it from the shell's own start file, or put it where the shell looks for it.
    """
    kind = get_completion_class(shell)
    assert kind is not None
    made = kind(ctx.find_root().command, {}, "crawlpush", "_CRAWLPUSH_COMPLETE")
    click.echo(made.source_template % made.source_vars())
