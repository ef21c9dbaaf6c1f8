"""`crawlpush doctor`: what is wrong with this installation, in words, with the way out."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import click

from pipeline.crawling.crawler import missing_contact
from pipeline.delivery.push_config import push_config
from pipeline.fanout.synonyms import SynonymsError, SynonymsFile
from pipeline.push.channels import Finding, Level, check_credentials
from pipeline.setting_layers import env_file
from pipeline.settings import Settings, SettingsError, get_settings, unknown_names
from scripts.checks.vendor_clock import check_clock
from scripts.failures import sentence_of
from scripts.output import json_option

_COLORS = {Level.OK: "green", Level.WARN: "yellow", Level.FAIL: "red"}

Check = Callable[[Settings], Iterable[Finding]]


@click.group(invoke_without_command=True)
@click.option("--wait", "wait_s", type=click.FloatRange(0.1, 60), default=5.0, show_default=True,
              help="Seconds that the worker of each queue has to answer.")  # fmt: skip
@click.option("--clock/--no-clock", default=True, help="Compare the clock with FCM's, over the network.")
@json_option
@click.pass_context
def doctor(ctx: click.Context, *, wait_s: float, clock: bool, as_json: bool) -> None:
    """Check this installation. The exit code is 1 when something is wrong.

    Without a command: settings, database, Redis, clocks, a task through every queue, beat, logins, synonyms,
    credentials, disk and files.
    """
    if ctx.invoked_subcommand is not None:
        return
    try:
        settings = get_settings()
    except SettingsError as error:
        findings = [("settings", Finding(level=Level.FAIL, sentence=line)) for line in str(error).splitlines()]
    else:
        findings = list(examine(settings, _everything(wait_s, clock=clock)))
    report(ctx, findings, as_json=as_json)


@doctor.command()
@click.option("--clock/--no-clock", default=True, help="Compare the clock with FCM's, over the network.")
@json_option
@click.pass_context
def push(ctx: click.Context, *, clock: bool, as_json: bool) -> None:
    """Check the credentials of FCM and APNs (format, permissions, key id, project) and the clock."""
    checks = {"credentials": _credentials, **({"clock": _vendors_clock} if clock else {})}
    report(ctx, list(examine(get_settings(), checks)), as_json=as_json)


@doctor.command()
@json_option
@click.pass_context
def crawling(ctx: click.Context, *, as_json: bool) -> None:
    """Check that beat lives, that sites can see whom to write to, and that those with a login can be logged into."""
    from scripts.checks import queues, sessions

    checks = {"beat": queues.beat, "contact": _contact, "sessions": sessions.sessions}
    report(ctx, list(examine(get_settings(), checks)), as_json=as_json)


def _everything(wait_s: float, *, clock: bool) -> dict[str, Check]:
    # Here: these import the Celery app, which ends a process whose settings are wrong.
    from scripts.checks import machine, queues, services, sessions

    return {
        "settings": _settings,
        "database": services.database,
        "redis": services.redis,
        "clocks": services.clocks,
        "queues": lambda settings: queues.workers(settings, wait_s=wait_s),
        "visibility": queues.visibility,
        "beat": queues.beat,
        "contact": _contact,
        "sessions": sessions.sessions,
        "synonyms": _synonyms,
        "credentials": _credentials,
        **({"clock": _vendors_clock} if clock else {}),
        "disk": machine.disk,
        "files": machine.modes,
    }


def examine(settings: Settings, checks: Mapping[str, Check]) -> Iterator[tuple[str, Finding]]:
    """Make each check; one that breaks is a finding itself, and the others are made all the same."""
    for name, check in checks.items():
        try:
            for finding in check(settings):
                yield name, finding
        except Exception as error:
            # Of a defect only the kind of the error: its text may hold what must not be shown.
            why = sentence_of(error) or f"{type(error).__name__}: please report this"
            yield name, Finding(level=Level.FAIL, sentence=f"the check of the {name} could not be made ({why})")


def _settings(_settings: Settings) -> Iterator[Finding]:
    file = env_file()
    where = f"the environment and {file}" if file is not None and file.exists() else "the environment alone"
    yield Finding(level=Level.OK, sentence=f"the settings are read from {where}")
    for sentence in unknown_names():
        yield Finding(level=Level.WARN, sentence=sentence)


def _credentials(settings: Settings) -> Iterable[Finding]:
    return check_credentials(push_config(settings))


def _vendors_clock(settings: Settings) -> Iterator[Finding]:
    yield check_clock(push_config(settings))


def _contact(settings: Settings) -> Iterator[Finding]:
    missing = missing_contact(settings)
    if missing:
        yield Finding(level=Level.WARN, sentence=missing)
    else:
        yield Finding(level=Level.OK, sentence=f"the sites see whom to write to: {settings.user_agent}")


def _synonyms(settings: Settings) -> Iterator[Finding]:
    file = settings.synonyms_file
    try:
        groups = SynonymsFile(file).read().groups
    except SynonymsError as error:
        yield Finding(level=Level.FAIL, sentence=str(error))
        return
    what = (
        f"{len(groups)} groups of synonyms are in {file}"
        if file
        else "no SYNONYMS_FILE: nothing is found by another name"
    )
    yield Finding(level=Level.OK, sentence=what)


def report(ctx: click.Context, findings: Sequence[tuple[str, Finding]], *, as_json: bool) -> None:
    """Print findings, and end with 1 when one of them is a failure."""
    if as_json:
        rows = [{"check": name, "level": str(found.level), "sentence": found.sentence} for name, found in findings]
        click.echo(json.dumps(rows, ensure_ascii=False, indent=2))
    else:
        for _, finding in findings:
            click.echo(f"{click.style(f'{finding.level:<4}', fg=_COLORS[finding.level])}  {finding.sentence}")
    if any(finding.level is Level.FAIL for _, finding in findings):
        ctx.exit(1)
