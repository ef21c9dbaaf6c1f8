"""`crawlpush keys`: who may call the HTTP API."""

from collections.abc import Sequence
from datetime import timedelta

import click

from pipeline.resources import now
from pipeline.web.keys import ALGORITHMS, SERVER_SCOPES, SIGN, make_server_key, make_signing_key
from scripts.asking import Ask, asks_first
from scripts.output import json_option, open_database, show_record, show_rows, table_options
from storage import api_keys
from storage.models import ApiKey


@click.group()
def keys() -> None:
    """Keys of the HTTP API."""


@keys.command()
@click.argument("name")
@click.option(
    "--scope",
    type=click.Choice(SERVER_SCOPES),
    help="app: acts for any user; sites: steers sites; read: only looks; install: makes anonymous phones.",
)
@click.option("--user-tokens", is_flag=True, help="A key with which your back end signs its users' tokens.")
@click.option("--algorithm", type=click.Choice(ALGORITHMS), help="With --user-tokens; default: ES256.")
@click.option("--days", type=click.IntRange(1, 3650), help="Days until it expires; default: never.")
@json_option
def add(
    name: str, *, scope: str | None, user_tokens: bool, algorithm: str | None, days: int | None, as_json: bool
) -> None:
    """Make a key and show it, once. Two keys of one NAME may be valid, so that one can replace the other."""
    if (scope is None) == (not user_tokens):
        raise click.UsageError("say what the key is for: either --scope, or --user-tokens")
    if algorithm is not None and not user_tokens:
        raise click.UsageError("--algorithm belongs to --user-tokens")
    if not name.strip() or len(name) > 64 or not name.isprintable():
        raise click.UsageError("the name of a key has 1 to 64 printable characters")
    algorithm = (algorithm or ALGORITHMS[0]) if user_tokens else None
    new = make_signing_key(algorithm) if algorithm else make_server_key()
    at = now()
    with open_database().writing() as session:
        api_keys.add(
            session,
            name=name,
            scope=scope or SIGN,
            prefix=new.prefix,
            hash=new.hash,
            algorithm=algorithm,
            verification_key=new.verification_key,
            expires_at=at + timedelta(days=days) if days else None,
            now=at,
        )
    if as_json:
        show_record({"name": name, "scope": scope or SIGN, "prefix": new.prefix, "key": new.shown}, as_json=True)
        return
    what = (
        f"signs tokens ({algorithm}); write {new.prefix} as `kid` into their header" if algorithm else f"scope {scope}"
    )
    click.echo(f"key {name} made: {what}. It is shown this once:", err=True)
    click.echo(new.shown.strip())


@keys.command("list")
@table_options
def list_keys(*, as_json: bool) -> None:
    """List the keys by their prefixes; the keys themselves are kept nowhere."""
    at = now()
    with open_database().reading() as session:
        rows = [
            {
                "name": key.name,
                "prefix": key.prefix,
                "scope": key.scope,
                "state": _state(key.revoked_at is not None, key.expires_at is not None and key.expires_at <= at),
                "created": key.created_at,
                "last_used": key.last_used_at,
                "expires": key.expires_at,
            }
            for key in api_keys.listing(session)
        ]
    show_rows(
        rows,
        as_json=as_json,
        empty="no keys yet: `crawlpush keys add NAME --scope app` makes one",
        narrow=("name", "prefix", "scope", "state", "last_used", "expires"),
    )


def _state(revoked: bool, expired: bool) -> str:
    return "revoked" if revoked else "expired" if expired else "valid"


@keys.command()
@click.argument("key", metavar="NAME_OR_PREFIX")
@asks_first
def revoke(key: str, *, ask: Ask) -> None:
    """Take a key away by its prefix, or all keys of a name; whoever uses one is refused from now on."""
    database = open_database()
    with database.reading() as session:
        ask(f"revoke {_names(api_keys.known_as(session, key))}, and refuse whoever uses them")
    with database.writing() as session:
        gone = _names(api_keys.revoke(session, key, now=now()))
    click.echo(f"revoked: {gone}")


def _names(keys: Sequence[ApiKey]) -> str:
    return ", ".join(f"{key.name} ({key.prefix})" for key in keys)
