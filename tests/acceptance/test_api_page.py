"""The story of docs/api.md, as it stands there: the calls of a shell and those of Python."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from scripts.local.embedded_redis import free_port
from tests.acceptance.documented import ROOT, blocks
from tests.acceptance.installation import Installation
from tests.support.api import answers

PAGE = ROOT / "docs" / "api.md"


def block(kind: str) -> str:
    (found,) = ["\n".join(lines) for _, marked, lines in blocks(PAGE.read_text(encoding="utf-8")) if marked == kind]
    return found


@pytest.mark.parametrize("installation", ["sqlite"], indirect=True)
def test_the_calls_of_the_page_do_what_it_says(installation: Installation, tmp_path: Path) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    installation.environment |= {"PORT": str(port)}
    installation.start("web")
    installation.wait_until(lambda: answers(f"{url}/readyz"), "the API is ready")

    script = "set -euo pipefail\n" + re.sub(r"(?m)^API=.*$", f"API={url}", block("sh"))
    ran = subprocess.run(
        ["/bin/bash", "-c", script],
        cwd=tmp_path,
        env=installation.environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert '"delivered":true' in ran.stdout
    assert installation.listed("users", "list") == []

    key = installation.listed("keys", "add", "python", "--scope", "app")["key"]
    said: dict[str, Any] = {"api": url, "key": key}
    exec(block("python"), said)
    assert said["badge"] == 0
    assert installation.listed("users", "list")[0]["user"] == "minji"
