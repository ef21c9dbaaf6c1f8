"""`crawlpush gateway`: run the loopback push gateway by hand."""

import dataclasses
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from pipeline.basics.text import printable
from scripts.gateway.faults import Faults, FaultsError
from scripts.gateway.record import Push
from scripts.gateway.server import Gateway, GatewayPorts
from scripts.local.serving import serve, server_options

_PORT = click.IntRange(0, 65535)


def fault_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add one option for each field of Faults."""
    for field in reversed(dataclasses.fields(Faults)):
        flag, meaning = "--" + field.name.replace("_", "-"), field.metadata["meaning"]
        settings: dict[str, Any] = {"default": field.default, "help": meaning, "show_default": True}
        if isinstance(field.default, bool):
            flag = f"{flag}/--no-{flag[2:]}"
        elif isinstance(field.default, frozenset):
            settings = {"multiple": True, "help": f"{meaning} May be given again."}
        elif field.metadata["choices"]:
            settings["type"] = click.Choice(field.metadata["choices"])
        command = click.option(flag, field.name, **settings)(command)
    return command


def port_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the four port options."""
    for name, what in (
        ("admin", "the admin page"),
        ("apns-sandbox", "APNs' sandbox"),
        ("apns", "APNs"),
        ("fcm", "FCM"),
    ):
        help_text = f"Port of {what}; 0 is any free one. [default: the usual one if it is free]"
        command = click.option(f"--{name}-port", type=_PORT, help=help_text)(command)
    return command


@click.command("gateway")
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("data/gateway"),
    show_default=True,
    help="Where the gateway keeps its own credentials.",
)
@port_options
@click.option("--keep", type=click.IntRange(1), default=100_000, show_default=True, help="Messages remembered.")
@click.option(
    "--env-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the settings for crawlpush to this file, readable by you alone.",
)
@click.option("--verbose", is_flag=True, help="Print a line for each message.")
@fault_options
@server_options
def gateway(
    *,
    folder: Path,
    fcm_port: int | None,
    apns_port: int | None,
    apns_sandbox_port: int | None,
    admin_port: int | None,
    keep: int,
    env_file: Path | None,
    verbose: bool,
    until_stdin_closes: bool,
    ready_fd: int | None,
    **faults: Any,
) -> None:
    """Run a loopback FCM and APNs to develop against, with failures on request."""
    try:
        plan = Faults.from_json(faults)
    except FaultsError as error:
        raise click.UsageError(str(error)) from error
    ports = GatewayPorts(fcm=fcm_port, apns=apns_port, apns_sandbox=apns_sandbox_port, admin=admin_port)
    server = Gateway(folder, ports=ports, faults=plan, keep=keep, on_push=_print_push if verbose else None)

    def announce() -> None:
        click.echo(
            f"Listening on 127.0.0.1 for FCM (port {server.ports.fcm}), APNs ({server.ports.apns}) and its sandbox "
            f"({server.ports.apns_sandbox}). What the phones show: {server.admin_url}/"
        )
        lines = [f"{name}={value}" for name, value in server.environment().items()]
        if env_file is None:
            click.echo("To point crawlpush here, set:")
            click.echo("\n".join(f"  {line}" for line in lines))
        else:
            _write_env(env_file, lines)
            click.echo(f"The settings that point crawlpush here are in {env_file}.")

    serve(server, announce=announce, until_stdin_closes=until_stdin_closes, ready_fd=ready_fd)


def _write_env(path: Path, lines: list[str]) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            os.fchmod(descriptor, 0o600)
            file.write("\n".join(lines) + "\n")
    except OSError as error:
        raise click.ClickException(f"{path} cannot be written ({error.strerror}); name another --env-file.") from error


def _print_push(push: Push) -> None:
    """Print platform and title. What a terminal could take for a command is shown as a question mark."""
    title = str(push.to_json()["title"])
    kind = "FCM" if push.platform == "fcm" else f"APNs {push.environment}"
    click.echo(f"{kind}: {printable(title)}")
