"""The findings in dependencies that are accepted, and the audit that leaves them out."""

import os
import re
import subprocess

from pipeline.setting_layers import PROJECT_ROOT
from scripts.local.embedded_redis import free_port

ENTRY = re.compile(r"(?:CVE|GHSA|PYSEC)-[\w-]+  (?P<pin>[\w.-]+==[\w.]+)  (?P<reason>.{20,})")


def test_each_accepted_finding_has_a_reason_and_is_of_a_version_that_is_locked() -> None:
    lines = (PROJECT_ROOT / ".ci" / "accepted-findings.txt").read_text().splitlines()
    entries = [ENTRY.fullmatch(line) for line in lines if line and not line.startswith("#")]
    assert entries
    assert all(entries)
    locked = (PROJECT_ROOT / "requirements.txt").read_text().splitlines()
    assert {entry["pin"] for entry in entries if entry} <= {line.partition(" ")[0] for line in locked}


def test_without_the_network_the_audit_says_in_one_line_that_it_is_skipped() -> None:
    nowhere = f"http://127.0.0.1:{free_port()}"
    done = subprocess.run(
        [PROJECT_ROOT / "scripts" / "audit"],
        env={**os.environ, "https_proxy": nowhere, "HTTPS_PROXY": nowhere},
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    (line,) = (done.stdout + done.stderr).splitlines()
    assert line.startswith("audit skipped: ")
