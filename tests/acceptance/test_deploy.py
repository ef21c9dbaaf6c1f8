"""The forms of deployment in deploy/: each is what the Procfile says, and each is really started and stopped."""

import configparser
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
import redis
from sqlalchemy.engine import make_url

from pipeline.celery import create_app
from pipeline.scheduling import heartbeat
from pipeline.settings import Settings, get_settings
from scripts.local.embedded_redis import EmbeddedRedis, find_server
from scripts.local.proxy import Proxy
from scripts.local.supervisor import procfile_commands
from tests.acceptance.installation import PROCESSES, ROOT
from tests.support import waiting
from tests.support.certificates import self_signed
from tests.support.services import require

wait_until = partial(waiting.wait_until, seconds=240)

DEPLOY = ROOT / "deploy"
UNITS = DEPLOY / "systemd"
CELERY = str(Path(sys.executable).with_name("celery"))
PROGRAMS = "/opt/crawlpush/.venv/bin/"
QUEUES = {"crawler": "crawl_tasks", "notificator": "notify_tasks", "dispatcher": "fanout_tasks"}
HEROKU_KILLS_AFTER_S = 30
MOST_EXPOSED = 2.0
"""Of ten, by `systemd-analyze security`; a service without any protection has 9.6."""


def _run(*command: str, environment: dict[str, str] | None = None, code: int | None = 0, seconds: float = 300) -> str:
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    printed = done.stdout + done.stderr
    assert code is None or done.returncode == code, f"{command} exited with {done.returncode}: {printed}"
    return printed


def _values(file: Path, name: str) -> list[str]:
    return re.findall(rf"^{name}=(.*)$", file.read_text(), re.MULTILINE)


def _procfile(name: str) -> str:
    return procfile_commands((name,))[name]


@pytest.mark.parametrize("name", PROCESSES)
def test_a_unit_runs_the_command_of_the_procfile(name):
    (command,) = _values(UNITS / f"crawlpush-{name}.service", "ExecStart")
    assert command.removeprefix(PROGRAMS).replace("%%", "%") == _procfile(name)


@pytest.mark.parametrize("name", PROCESSES)
def test_supervisor_runs_the_command_of_the_procfile(name):
    parser = configparser.RawConfigParser(comment_prefixes=(";",))
    parser.read(DEPLOY / "supervisor" / "crawlpush.conf")
    command = parser.get(f"program:{name}", "command")
    assert command.removeprefix(PROGRAMS).replace("%%", "%") == _procfile(name)


@pytest.mark.parametrize("name", PROCESSES)
def test_a_container_runs_the_command_of_the_procfile(name):
    compose = (DEPLOY / "docker" / "compose.yaml").read_text()
    service = compose.partition(f"\n  {name}:\n")[2]
    command = re.search(r"command: (\[.*\])", service)
    assert " ".join(json.loads(command[1])) == _procfile(name)


def test_the_release_step_is_the_procfile_s():
    commands = [
        line.removeprefix(PROGRAMS + "crawlpush ") for line in _values(UNITS / "crawlpush-release.service", "ExecStart")
    ]
    release = re.sub(r"python -m scripts\.cli|crawlpush", "", _procfile("release"))
    assert commands == [part.strip() for part in release.split("&&")]


def test_celery_multi_has_a_node_for_each_queue():
    environment = _multi_environment()
    options = environment["CELERYD_OPTS"]
    assert environment["CELERYD_NODES"].split() == list(QUEUES)
    assert dict(re.findall(r"-Q:(\w+) (\w+)", options)) == QUEUES


def test_every_production_setting_exists():
    for file in (DEPLOY / "crawlpush.env.example", ROOT / ".env.example"):
        names = set(re.findall(r"^#?([A-Z_]+)=", file.read_text(), re.MULTILINE))
        assert names
        assert {name.lower() for name in names} <= set(Settings.model_fields), file


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """The units as they would stand in /etc/systemd/system, with the programs of this checkout."""
    if shutil.which("systemd-analyze") is None:
        # Not `require`: it belongs to the machine, and macOS has none.
        pytest.skip("needs systemd-analyze")
    folder = tmp_path / "units"
    shutil.copytree(UNITS, folder)
    shutil.copy(DEPLOY / "celery-multi" / "crawlpush-celery.service", folder)
    programs = f"{Path(sys.executable).parent}/"
    for file in (path for path in folder.rglob("*") if path.is_file()):
        text = file.read_text().replace(PROGRAMS, programs).replace("/opt/crawlpush", str(ROOT))
        file.write_text(text)
    return folder


def test_systemd_finds_nothing_wrong_with_the_units(units):
    files = sorted(str(path) for path in units.glob("crawlpush*.*") if path.is_file())
    environment = {**os.environ, "SYSTEMD_UNIT_PATH": f"{units}:"}
    printed = _run("systemd-analyze", "verify", "--man=no", *files, environment=environment)
    assert "crawlpush" not in printed


@pytest.mark.parametrize("name", [*PROCESSES, "release", "celery", "metrics", "web"])
def test_the_units_are_hardened(units, name):
    environment = {**os.environ, "SYSTEMD_UNIT_PATH": f"{units}:"}
    unit = str(units / f"crawlpush-{name}.service")
    printed = _run("systemd-analyze", "security", "--offline=yes", unit, environment=environment, code=None)
    exposure = re.search(r"exposure level for \S+: ([\d.]+)", printed)
    if exposure is None:
        pytest.skip("this systemd-analyze judges no files")
    assert float(exposure[1]) <= MOST_EXPOSED


@pytest.fixture
def environment(sqlite_url: str, tmp_path: Path) -> Iterator[dict[str, str]]:
    """What a process needs: a database, and a Redis of this test's own."""
    require(find_server() is not None, "a redis-server")
    with EmbeddedRedis(tmp_path / "redis") as server:
        yield {
            **os.environ,
            "ENV_FILE": "",
            "DATA_DIR": str(tmp_path / "data"),
            "DATABASE_URL": sqlite_url,
            "REDIS_URL": server.url,
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        }


@pytest.mark.full
def test_the_procfile_runs_with_the_urls_that_heroku_gives(environment, empty_postgres_url, tmp_path):
    # Given a database of another scheme's name, and a Redis behind a certificate that nobody vouches for
    _, tls = self_signed(tmp_path, "redis.example")
    port = make_url(environment["REDIS_URL"]).port
    assert port is not None
    secured = str(Proxy(port, tls).port)
    environment |= {
        "DATABASE_URL": re.sub(r"^postgresql(\+\w+)?:", "postgres:", empty_postgres_url),
        "REDIS_URL": environment["REDIS_URL"].replace("redis://", "rediss://").replace(f":{port}", f":{secured}"),
        "PORT": "8000",
    }
    # When nothing else is said, then the certificate is refused, in a sentence
    _run("/bin/sh", "-c", _procfile("release").partition("&&")[0], environment=environment)
    refused = _run("/bin/sh", "-c", _procfile("dispatcher"), environment=environment, code=1)
    assert "certificate verify failed" in refused
    assert "Traceback" not in refused

    # When it is accepted by a setting, then the release step and a worker do their work, and SIGTERM ends it in time
    environment["REDIS_TLS_INSECURE"] = "true"
    _run("/bin/sh", "-c", _procfile("release"), environment=environment)
    with subprocess.Popen(["/bin/sh", "-c", "exec " + _procfile("dispatcher")], cwd=ROOT, env=environment) as worker:
        try:
            wait_until(lambda: _answers(environment))
        finally:
            worker.terminate()
            assert worker.wait(HEROKU_KILLS_AFTER_S) == 0


def _answers(environment: dict[str, str]) -> bool:
    command = (sys.executable, "-m", "scripts.cli", "doctor", "--json", "--no-clock", "--wait", "3")
    found = json.loads(_run(*command, environment=environment, code=1))
    return any(row["sentence"].startswith("fanout_tasks: dispatcher@") and row["level"] == "ok" for row in found)


def _multi_environment() -> dict[str, str]:
    lines = (DEPLOY / "celery-multi" / "celery.env").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def _multi_command(verb: str) -> str:
    """The shell command of the unit's Exec line for this verb, as the shell gets it from systemd."""
    unit = DEPLOY / "celery-multi" / "crawlpush-celery.service"
    lines = [line for key in ("ExecStart", "ExecStop", "ExecReload") for line in _values(unit, key)]
    (line,) = [line for line in lines if f"multi {verb} " in line]
    shell = re.fullmatch(r"/bin/sh -c '(.*)'", line)
    return shell[1].replace("$$", "$")


def _active_queues(environment: dict[str, str]) -> dict[str, list[str]]:
    with create_app(get_settings()) as app:
        app.conf.broker_url = environment["REDIS_URL"]
        answers = app.control.inspect(timeout=1, limit=len(QUEUES)).active_queues() or {}
    return {node.partition("@")[0]: [queue["name"] for queue in queues] for node, queues in answers.items()}


@pytest.mark.full
def test_celery_multi_starts_restarts_and_stops_a_worker_for_each_queue(environment, tmp_path):
    # Given the environment file of the unit, with folders of this test
    environment |= _multi_environment() | {
        "CELERY_BIN": CELERY,
        "CELERYD_PYTHON": str(DEPLOY / "celery-multi" / "python"),
        "CELERYD_PID_FILE": str(tmp_path / "run" / "%n.pid"),
        "CELERYD_LOG_FILE": str(tmp_path / "log" / "%n.log"),
    }
    expected = {node: [queue] for node, queue in QUEUES.items()}
    try:
        # When it is started, then each node reads its own queue
        _run("/bin/sh", "-c", _multi_command("start"), environment=environment)
        wait_until(lambda: _active_queues(environment) == expected)
        for node in QUEUES:
            _run(sys.executable, "-m", "scripts.cli", "health", node, environment=environment)
        before = _pids(tmp_path / "run")
        assert set(before) == set(QUEUES)

        # When it is restarted, then others do
        _run("/bin/sh", "-c", _multi_command("restart"), environment=environment)
        wait_until(lambda: _active_queues(environment) == expected)
        assert not set(before.values()) & set(_pids(tmp_path / "run").values())
    finally:
        # When it is stopped, then nothing is left
        _run("/bin/sh", "-c", _multi_command("stopwait"), environment=environment)
    assert _pids(tmp_path / "run") == {}
    assert _active_queues(environment) == {}
    # And what a node said is in a log of its own
    for node in QUEUES:
        assert (tmp_path / "log" / f"{node}.log").read_text().count("Warm shutdown") == 2


def _pids(folder: Path) -> dict[str, int]:
    return {file.stem: int(file.read_text()) for file in folder.glob("*.pid")}


@pytest.mark.full
def test_supervisor_starts_and_stops_every_process(environment, tmp_path):
    # Given the configuration file, with this checkout, this user, and a control socket of this test
    supervisord = shutil.which("supervisord", path=environment["PATH"])
    control = [str(Path(supervisord).with_name("supervisorctl")), "-c", str(tmp_path / "supervisord.conf")]
    text = (DEPLOY / "supervisor" / "crawlpush.conf").read_text()
    text = text.replace(PROGRAMS, f"{Path(sys.executable).parent}/").replace("/opt/crawlpush", str(ROOT))
    text = text.replace("/var/log/crawlpush", str(tmp_path)).replace("user=crawlpush\n", "")
    text = text.replace("/etc/crawlpush/crawlpush.env", "")
    socket = f"/tmp/crawlpush-{os.getpid()}.sock"
    (tmp_path / "supervisord.conf").write_text(
        f"[unix_http_server]\nfile={socket}\n[supervisorctl]\nserverurl=unix://{socket}\n"
        f"[supervisord]\nlogfile={tmp_path}/supervisord.log\npidfile={tmp_path}/supervisord.pid\n"
        "[rpcinterface:supervisor]\n"
        f"supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface\n{text}"
    )
    programs = (*PROCESSES, "web")
    environment |= {"PORT": "0"}
    with subprocess.Popen([supervisord, "-n", "-c", control[2]], env=environment, stdout=subprocess.DEVNULL) as process:
        try:
            # When it runs, then its status says so of each, the workers have their queues, and beat ticks
            wait_until(lambda: _run(*control, "status", code=None).count("RUNNING") == len(programs))
            expected = {name.replace("notificator", "notifier"): [queue] for name, queue in QUEUES.items()}
            wait_until(lambda: _active_queues(environment) == expected)
            with redis.Redis.from_url(environment["REDIS_URL"]) as client:
                wait_until(lambda: heartbeat.beats(client))
            # When it stops them, then each ended by itself
            _run(*control, "stop", "crawlpush:*")
            assert _run(*control, "status", code=None).count("STOPPED") == len(programs)
        finally:
            process.terminate()
            process.wait(60)
    assert "killing" not in (tmp_path / "supervisord.log").read_text()
