"""The machine that a benchmark ran on, and the versions of what ran."""

import os
import platform
import re
import subprocess
from contextlib import suppress
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from scripts.local.embedded_postgres import find_postgres
from scripts.local.embedded_redis import find_server
from scripts.local.supervisor import ROOT

LIBRARIES = ("scrapy", "twisted", "celery", "kombu", "redis", "sqlalchemy", "psycopg", "aiohttp", "pyfcm", "apns2")


def describe() -> dict[str, str]:
    """What one has to know of this machine to compare figures, each in words; `unknown` what it does not tell."""
    redis, postgres, now = find_server(), find_postgres(), datetime.now(UTC)
    found = {
        "processor": _processor(),
        "cores": str(cores()),
        "memory": f"{os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') / 2**30:.1f} GiB",
        "system": f"{platform.system()} {platform.release()}",
        "load before": f"{os.getloadavg()[0]:.1f} in the last minute, {os.getloadavg()[2]:.1f} in the last fifteen",
        "Python": f"{platform.python_version()} ({platform.python_implementation()})",
        "Redis": _said(redis, "--version", pattern=r"\bv=([\d.]+)") if redis else "none",
        "PostgreSQL": _said(postgres / "postgres", "--version", pattern=r"([\d.]+)") if postgres else "none",
        "libraries": ", ".join(f"{name} {_version(name)}" for name in LIBRARIES),
        "crawlpush": _product(),
        "date": f"{now.day} {now:%B} {now.year}",
    }
    return {name: value or "unknown" for name, value in found.items()}


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _processor() -> str:
    with suppress(OSError):
        if model := re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE):
            return model[1].strip()
    return platform.processor() or platform.machine()


def _product() -> str:
    """The version of crawlpush, with the commit where this is a clone, and whether that was changed."""
    installed = _version("crawlpush")
    # Installed into a repository of somebody else, git would give that one's commit.
    commit = _said("git", "-C", ROOT, "rev-parse", "--short", "HEAD") if (ROOT / ".git").exists() else ""
    # The report itself lies in docs.
    status = ("status", "--porcelain", "--untracked-files=no", "--", ".", ":!docs")
    changed = ", changed" if commit and _said("git", "-C", ROOT, *status) else ""
    return f"{installed} ({commit}{changed})" if commit else installed


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "from source" if package == "crawlpush" else "none"


def _said(*command: str | Path, pattern: str = r"(?s)(.*\S)") -> str:
    """What a program prints, or the part of it that matches; nothing when it cannot be run."""
    with suppress(OSError, subprocess.TimeoutExpired):
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=10, check=False)
        if not done.returncode and (found := re.search(pattern, done.stdout)):
            return found[1]
    return ""
