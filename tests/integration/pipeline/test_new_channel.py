"""A channel is added by what docs/architecture.md says, and by nothing else."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]

CHANNEL = """
import json, os, urllib.request
from pipeline.push.outcome import Outcome, OutcomeKind


class KakaoChannel:
    name = "kakao"

    def send(self, messages, deadline_s, *, validate_only=False):
        return [self.post(message, deadline_s) for message in messages]

    def post(self, message, deadline_s):
        body = json.dumps({"to": message.token, "title": message.title}).encode()
        request = urllib.request.Request(os.environ["KAKAO"], body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=deadline_s) as answer:
            return Outcome(kind=OutcomeKind.DELIVERED, provider_id=answer.read().decode(), answered=True)

    def close(self):
        pass
"""

STORY = """
import http.server, json, os, threading
from click.testing import CliRunner
from sqlalchemy import select

got = []

class Vendor(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(200); self.send_header("Content-Length", "4"); self.end_headers(); self.wfile.write(b"id-1")

    def log_message(self, *_):
        pass

server = http.server.HTTPServer(("127.0.0.1", 0), Vendor)
threading.Thread(target=server.serve_forever, daemon=True).start()
os.environ["KAKAO"] = f"http://127.0.0.1:{server.server_port}/send"

from pipeline.delivery.batch import Deliveries
from pipeline.push.channels import build_channels
from pipeline.push.config import PushConfig
from pipeline.resources import database, now
from scripts.cli import main
from storage import notifications
from storage.matching import Hit
from storage.models import Delivery
from tests.support.builders import add_site, found, stored_posts

def run(*words, text=None):
    done = CliRunner().invoke(main, words, input=text)
    assert done.exit_code == 0, done.output

run("db", "upgrade")
run("users", "add", "minji")
run("devices", "add", "minji", "--platform", "kakao", "--token", "010-1234")
PEOPLE = '{"user": "jun", "platform": "kakao", "token": "010-5678"}\\n'
run('devices', 'import', '-', '--add-users', '--format', 'jsonl', text=PEOPLE)
with database().writing() as session:
    site = add_site(session)
    (post,) = stored_posts(session, site, [found(1, "hello")])
    from storage.models import User
    from tests.support.builders import subscribe
    for user in session.scalars(select(User)):
        subscribe(session, user, None, site_id=site.id)
    hit = Hit(site_id=site.id, title_ids=[], all_ids=[], match_body=False)
    users = notifications.create_slice(session, post, hit, after=0, size=9, now=now()).users
done = Deliveries(database(), build_channels(PushConfig()), lease_s=20).deliver([(post, user) for user in users])
assert sorted(done.values()) == ["sent", "sent"], done
assert sorted(one["to"] for one in got) == ["010-1234", "010-5678"], got
with database().reading() as session:
    assert set(session.scalars(select(Delivery.provider_id))) == {"id-1"}
run("channels", "list")
"""


def test_a_module_a_platform_and_a_line_make_a_channel(tmp_path: Path) -> None:
    for package in ("pipeline", "storage", "spiders", "scripts", "tests/support"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "tests" / "__init__.py").touch()
    push = tmp_path / "pipeline" / "push"
    (push / "kakao.py").write_text(CHANNEL)
    _add(push / "message.py", '    CONSOLE = "console"\n', '    KAKAO = "kakao"\n')
    _add(
        push / "channels.py",
        "        Platform.CONSOLE: ConsoleChannel(),\n",
        "        Platform.KAKAO: KakaoChannel(),\n",
    )
    _add(
        push / "channels.py",
        "from pipeline.push.console import ConsoleChannel\n",
        "from pipeline.push.kakao import KakaoChannel\n",
    )
    kept = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "LANG"}}
    environment = {**kept, "PYTHONPATH": str(tmp_path), "DATA_DIR": str(tmp_path / "data"), "ENV_FILE": ""}
    done = subprocess.run(
        [sys.executable, "-c", STORY],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def _add(path: Path, after: str, line: str) -> None:
    text = path.read_text()
    assert text.count(after) == 1
    path.write_text(text.replace(after, after + line))
