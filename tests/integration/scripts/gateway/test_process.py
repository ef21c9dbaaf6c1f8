import json
import os
import re
import signal
import socket
import subprocess
import sys
import textwrap
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

from scripts.gateway.faults import FaultsError
from scripts.gateway.process import GatewayProcess, gateway_process
from scripts.local.processes import ServerProcess, ServerProcessError, post_json
from tests.integration.scripts.gateway.clients import APNsClient, FCMClient
from tests.support.cli import crawlpush
from tests.support.waiting import wait_until

OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def is_listening(port: int) -> bool:
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0


def port_of(url: str) -> int:
    return int(url.rsplit(":", 1)[1])


def test_the_environment_leads_to_the_gateway(gateway: GatewayProcess) -> None:
    environment = gateway.environment()
    assert set(environment) == {
        *("FCM_SERVICE_ACCOUNT_FILE", "FCM_ENDPOINT", "APNS_KEY_FILE", "APNS_KEY_ID", "APNS_TEAM_ID", "APNS_TOPIC"),
        *("APNS_PRODUCTION_ENDPOINT", "APNS_SANDBOX_ENDPOINT", "PUSH_CA_FILE"),
    }
    for name in ("FCM_SERVICE_ACCOUNT_FILE", "APNS_KEY_FILE", "PUSH_CA_FILE"):
        assert Path(environment[name]).stat().st_mode & 0o077 == 0


def test_received_since_and_reset(gateway: GatewayProcess, fcm: FCMClient) -> None:
    for number in range(3):
        fcm.send({"token": "phone", "notification": {"title": str(number)}})
    assert [push["title"] for push in gateway.received(since=1)] == ["1", "2"]
    gateway.set_faults(latency_ms=1)
    gateway.reset()
    assert (gateway.received(), gateway.phones()) == ([], [])
    assert json.load(OPENER.open(f"{gateway.admin_url}/admin/faults"))["latency_ms"] == 0


def test_a_wrong_failure_plan_is_refused_and_changes_nothing(gateway: GatewayProcess) -> None:
    gateway.set_faults(latency_ms=1)
    with pytest.raises(FaultsError, match="no failure named 'lag'"):
        gateway.set_faults(lag=1)
    with pytest.raises(ServerProcessError, match="latency_ms is a number"):
        post_json(f"{gateway.admin_url}/admin/faults", {"latency_ms": "slow"})
    assert json.load(OPENER.open(f"{gateway.admin_url}/admin/faults"))["latency_ms"] == 1


def status_of(request: urllib.request.Request) -> int:
    try:
        with OPENER.open(request, timeout=60) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_the_admin_page_is_for_this_machine_alone(gateway: GatewayProcess) -> None:
    url = f"{gateway.admin_url}/admin/reset"
    from_a_page = urllib.request.Request(url, b"{}", {"Content-Type": "text/plain"})
    rebound = urllib.request.Request(url, b"{}", {"Content-Type": "application/json", "Host": "evil.example"})
    broken = urllib.request.Request(f"{gateway.admin_url}/admin/faults", b"{", {"Content-Type": "application/json"})
    assert [status_of(request) for request in (from_a_page, rebound, broken)] == [415, 403, 400]
    assert status_of(urllib.request.Request(f"{gateway.admin_url}/admin/received?since=x")) == 400


def test_the_page_for_people_escapes_what_came_from_outside(gateway: GatewayProcess, fcm: FCMClient) -> None:
    token = "a" * 40
    fcm.send({"token": token, "notification": {"title": "<script>alert(1)</script>", "body": "{x} & y"}})
    page = OPENER.open(gateway.admin_url).read().decode()
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "{x} &amp; y" in page
    assert "<script>" not in page
    assert token[:6] not in page


def test_the_page_draws_known_phones_at_once_and_rings_for_what_is_new(gateway: GatewayProcess, fcm: FCMClient) -> None:
    gateway.set_owners({("fcm", "b" * 40): "minji", ("apns", "c" * 64): "<b>james"})
    with OPENER.open(gateway.admin_url) as answer:
        page, policy = answer.read().decode(), answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert re.findall(r"<h2>(.*?)<small>", page) == ["minji", "&lt;b&gt;james"]
    for address in re.findall(r'(?:src|href)="(/static/[^"]+)"', page):
        assert status_of(urllib.request.Request(gateway.admin_url + address)) == 200
    assert status_of(urllib.request.Request(f"{gateway.admin_url}/static/..%2frendering.py")) == 404
    unchanged = f"{gateway.admin_url}/screens?version={version_of(page)}"
    assert status_of(urllib.request.Request(unchanged)) == 204
    fcm.send({"token": "b" * 40, "notification": {"title": "first"}})
    first = OPENER.open(unchanged).read().decode()
    fcm.send(
        {"token": "b" * 40, "notification": {"title": "second"}, "android": {"notification": {"sound": "default"}}}
    )
    second = OPENER.open(f"{gateway.admin_url}/screens?version={version_of(first)}").read().decode()
    assert [found[1] for found in re.finditer(r"<h3>(\w+)</h3>", second)] == ["second", "first"]
    assert (second.count(" fresh"), second.count(' rings"')) == (1, 1)


def version_of(page: str) -> str:
    found = re.search(r"/screens\?version=([\d.-]+)", page)
    assert found
    return found[1]


def test_the_page_speaks_korean_to_who_reads_it(gateway: GatewayProcess) -> None:
    page = urllib.request.Request(gateway.admin_url, headers={"Accept-Language": "ko-KR,ko;q=0.9,en;q=0.8"})
    assert "휴대폰" in OPENER.open(page).read().decode()
    switched = OPENER.open(f"{gateway.admin_url}/?lang=ko").headers["Set-Cookie"]
    kept = urllib.request.Request(gateway.admin_url, headers={"Cookie": switched.partition(";")[0]})
    assert '<html lang="ko">' in OPENER.open(kept).read().decode()


def test_a_lone_surrogate_breaks_nothing(gateway: GatewayProcess, fcm: FCMClient) -> None:
    assert fcm.send({"token": "phone", "notification": {"title": "\ud800 title"}}).status_code == 200
    assert "? title" in OPENER.open(gateway.admin_url).read().decode()
    assert gateway.received()[0]["title"] == "\ud800 title"


def test_two_gateways_do_not_share_a_folder(tmp_path: Path) -> None:
    with gateway_process(tmp_path) as gateway:
        account = Path(gateway.environment()["FCM_SERVICE_ACCOUNT_FILE"]).read_bytes()
        with pytest.raises(ServerProcessError, match=f"in use by process {gateway.pid}. Stop that gateway"):
            GatewayProcess(tmp_path).start()
        assert Path(gateway.environment()["FCM_SERVICE_ACCOUNT_FILE"]).read_bytes() == account
    with gateway_process(tmp_path):
        pass


def test_a_process_ends_with_the_block_and_frees_its_ports() -> None:
    with gateway_process(latency_ms=1) as gateway:
        port, pid = port_of(gateway.environment()["FCM_ENDPOINT"]), gateway.pid
        folder = Path(gateway.environment()["PUSH_CA_FILE"]).parent
        assert is_listening(port)
    assert not is_listening(port)
    assert not folder.exists()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_it_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    code = textwrap.dedent(
        f"""
        import sys, time
        from pathlib import Path
        from scripts.gateway.process import gateway_process
        with gateway_process(Path({str(tmp_path / "gateway")!r})) as gateway:
            print(gateway.admin_url, flush=True)
            time.sleep(600)
        """
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    port = port_of(parent.stdout.readline().strip())
    assert is_listening(port)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    wait_until(lambda: not is_listening(port), "the gateway outlived its parent")


def test_a_child_leaves_the_signals_to_its_parent(gateway: GatewayProcess, fcm: FCMClient) -> None:
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        os.kill(gateway.pid, number)
    assert fcm.send({"token": "phone"}).status_code == 200


def test_it_stops_at_once_while_answers_are_owed(tmp_path: Path) -> None:
    with gateway_process(tmp_path / "gateway", latency_ms=60_000) as gateway, ThreadPoolExecutor() as pool:
        client = APNsClient(gateway.environment())
        client.open("ab" * 32)
        answer = pool.submit(FCMClient(gateway.environment()).send, {"token": "phone"})
        wait_until(lambda: len(gateway.received()) == 2, "the pushes did not arrive")
        started = time.monotonic()
        gateway.stop()
        assert time.monotonic() - started < 30
        with pytest.raises(requests.ConnectionError):
            answer.result(30)
    client.close()


def start_by_hand(tmp_path: Path, *arguments: str) -> "subprocess.Popen[str]":
    ports = [f"--{name}-port=0" for name in ("fcm", "apns", "apns-sandbox", "admin")]
    return subprocess.Popen(
        [sys.executable, "-m", "scripts.gateway", f"--folder={tmp_path / 'gateway'}", *ports, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_by_hand_a_signal_sent_twice_stops_it_cleanly(tmp_path: Path, number: int) -> None:
    process = start_by_hand(tmp_path)
    assert process.stdout.readline().startswith("Listening on 127.0.0.1 for FCM")
    process.send_signal(number)
    process.send_signal(number)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "Traceback" not in output


def test_by_hand_with_an_env_file_and_a_line_for_each_push(tmp_path: Path) -> None:
    env_file = tmp_path / "gateway.env"
    process = start_by_hand(tmp_path, f"--env-file={env_file}", "--verbose", "--dead-tokens=gone")
    process.stdout.readline()
    assert str(env_file) in process.stdout.readline()
    environment = dict(line.split("=", 1) for line in env_file.read_text().splitlines())
    assert env_file.stat().st_mode & 0o777 == 0o600
    fcm = FCMClient(environment)
    assert fcm.send({"token": "gone"}).status_code == 404
    assert fcm.send({"token": "secret-token", "notification": {"title": "장학\x1b[2J"}}).status_code == 200
    assert process.stdout.readline() == "FCM: 장학 [2J\n"
    process.terminate()
    output, _ = process.communicate(timeout=60)
    assert (process.returncode, output) == (0, "")


def test_a_named_port_that_is_taken(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        process = start_by_hand(tmp_path, f"--fcm-port={port}")
        output, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert output == f"Error: Port {port} cannot be used (Address already in use); name another one, or 0.\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--unavailable-rate", "2"], "unavailable_rate is from 0 to 1, not 2."),
        (["--refuse", "NOPE"], "'NOPE' is a code of neither FCM nor APNs."),
        (["--scope", "gcm"], "'gcm' is not one of 'both', 'fcm', 'apns'"),
        (["--fcm-port", "70000"], "70000 is not in the range"),
    ],
)
def test_wrong_options(arguments: list[str], words: str) -> None:
    assert words in crawlpush("gateway", *arguments, code=2).output


def test_a_start_that_fails_says_why(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(ServerProcessError, match="holds something else than the gateway's credentials"):
        GatewayProcess(tmp_path).start()
    with pytest.raises(ServerProcessError, match=r"did not start: .*No module named"):
        ServerProcess("scripts.nothing_of_that_name").start()
