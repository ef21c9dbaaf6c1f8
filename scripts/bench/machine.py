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
UNKNOWN = "unknown"


def describe() -> dict[str, str]:
    """What one has to know of this machine to compare figures, each in words; `unknown` what it does not tell."""
    return {
        "processor": processor(),
        "cores": str(cores()),
        "memory": _memory(),
        "system": _system(),
        "load before": _load(),
        "Python": f"{platform.python_version()} ({platform.python_implementation()})",
        "Redis": _server_version(find_server(), r"\bv=([\d.]+)"),
        "PostgreSQL": _postgres_version(),
        "libraries": ", ".join(f"{name} {_version(name)}" for name in LIBRARIES),
        "crawlpush": product(),
        "date": day(datetime.now(UTC)),
    }


def processor() -> str:
    """The processor's model."""
    with suppress(OSError):
        models = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
        if models:
            return models[1].strip()
    return platform.processor() or platform.machine() or UNKNOWN


def cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def product() -> str:
    """The version of crawlpush, with the commit where this is a clone, and whether that was changed."""
    installed = _version("crawlpush")
    commit = _git("rev-parse", "--short", "HEAD")
    if not commit:
        return installed
    # The report itself lies in docs.
    changed = _git("status", "--porcelain", "--untracked-files=no", "--", ".", ":!docs")
    return f"{installed} ({commit}{', changed' if changed else ''})"


def day(at: datetime) -> str:
    """A date as the pages write it: 1 December 2026."""
    return f"{at.day} {at:%B} {at.year}"


def _memory() -> str:
    with suppress(OSError, ValueError, AttributeError):
        return f"{os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') / 2**30:.1f} GiB"
    return UNKNOWN


def _system() -> str:
    kernel = f"{platform.system()} {platform.release()}"
    with suppress(OSError):
        return f"{platform.freedesktop_os_release()['PRETTY_NAME']}, {kernel}"
    return kernel


def _load() -> str:
    """How many processes wanted a core, in the last minute and in the last fifteen."""
    with suppress(OSError):
        minute, _, quarter = os.getloadavg()
        return f"{minute:.1f} in the last minute, {quarter:.1f} in the last fifteen"
    return UNKNOWN


def _postgres_version() -> str:
    programs = find_postgres()
    return _server_version(programs / "postgres" if programs else None, r"([\d.]+)")


def _server_version(program: Path | None, pattern: str) -> str:
    if program is None:
        return "none"
    with suppress(OSError, subprocess.TimeoutExpired):
        done = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=10, check=False)
        if found := re.search(pattern, done.stdout):
            return found[1]
    return UNKNOWN


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "from source" if package == "crawlpush" else "none"


def _git(*arguments: str) -> str:
    # Installed into a repository of somebody else, it would give that one's commit.
    if not (ROOT / ".git").exists():
        return ""
    with suppress(OSError, subprocess.TimeoutExpired):
        done = subprocess.run(
            ["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, timeout=10, check=False
        )
        return done.stdout.strip() if not done.returncode else ""
    return ""
