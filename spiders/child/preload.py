"""Loading everything a crawl needs, the reactor excepted, into the process that crawls are forked from.

What that is no list could say for long: a child rehearses crawls of a page served on loopback, and what it ended up
with is imported here. The rest costs each crawl nothing, because a forked child finds it in memory.
"""

import contextlib
import importlib
import importlib.abc
import json
import os
import signal
import socket
import sys
import tempfile
import traceback
import warnings
from collections.abc import Iterator, Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from spiders.child import isolation
from spiders.errors import SpiderError

REACTOR: Final = "twisted.internet.reactor"
"""Importing this module installs a reactor: every child must do that itself."""

REHEARSAL_S: Final = 120

_POSTGRES: Final = ("psycopg", "sqlalchemy.dialects.postgresql.psycopg")
_HASHED_CERTIFICATES: Final = Path("/etc/ssl/certs")
_CA_BUNDLES: Final = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem")


class PreloadError(SpiderError):
    """The preload did not come out as it must; the message says what was wrong."""


class _NoReactor(importlib.abc.MetaPathFinder):
    """Refuses the reactor's module, so that what imports it by the way is left out instead."""

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,  # noqa: ARG002
        target: ModuleType | None = None,  # noqa: ARG002
    ) -> ModuleSpec | None:
        if fullname == REACTOR:
            raise ImportError("a process that crawls are forked from must not have a reactor", name=fullname)
        return None


def load(*, sqlite: bool = False) -> dict[str, int]:
    """Load everything; says how many `modules` that is. It leaves no thread, descriptor or handler behind.

    sqlite: posts are stored in SQLite, so PostgreSQL's driver is left out, which takes 6 MB.
    Raises PreloadError, and whatever an import raises.
    """
    use_some_certificates()
    with _without_reactor():
        from spiders.child import project, rehearsal

        loaded = project.load_project()
        for order in rehearsal.orders(loaded.spiders.list()):
            _import_all(_rehearse(order))
        # Rehearsals store in SQLite.
        _import_all([] if sqlite else list(_POSTGRES))
        rehearsal.warm_up()
    if REACTOR in sys.modules:
        raise PreloadError("a module installed a reactor while it was imported")
    return {"modules": len(sys.modules)}


def use_some_certificates() -> None:
    """Choose what servers' certificates are verified against, unless the environment says it.

    From a folder with an index of hashes OpenSSL reads the one certificate that it needs, instead of parsing them
    all for each crawl. Where the system has no certificates, certifi's are taken.
    """
    if "SSL_CERT_FILE" in os.environ or "SSL_CERT_DIR" in os.environ:
        return
    if next(_HASHED_CERTIFICATES.glob("*.0"), None) is not None:
        os.environ["SSL_CERT_DIR"] = str(_HASHED_CERTIFICATES)
    elif not any(Path(bundle).exists() for bundle in _CA_BUNDLES):
        with contextlib.suppress(ImportError):
            import certifi

            os.environ["SSL_CERT_FILE"] = certifi.where()


@contextlib.contextmanager
def _without_reactor() -> Iterator[None]:
    guard = _NoReactor()
    sys.meta_path.insert(0, guard)
    try:
        yield
    finally:
        sys.meta_path.remove(guard)


def _import_all(names: list[str]) -> None:
    for name in names:
        if name == REACTOR or name in sys.modules or name == "__main__":
            continue
        # Some modules exist in the child under names that cannot be imported; they cost it little.
        with contextlib.suppress(Exception), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            importlib.import_module(name)


def _rehearse(order: Any) -> list[str]:
    """Crawl in a child; the names of the modules it ended up with, in the order they were loaded."""
    with tempfile.TemporaryDirectory(prefix="crawlpush-rehearsal-") as folder:
        report = _report_of_child(order, Path(folder))
    if not report["ok"] or report["errors"] or not report["items_seen"]:
        raise PreloadError(
            f"the rehearsal of {order.spider} failed: {report['finish_reason']}: {report['first_error']}"
        )
    modules: list[str] = report["modules"]
    return modules


def _report_of_child(order: Any, folder: Path) -> dict[str, Any]:
    ours, its = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        try:
            ours.close()
            isolation.own_group()
            from spiders.child import rehearsal

            rehearsal.perform(order, folder, its)
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(1)
    its.close()
    ours.settimeout(REHEARSAL_S)
    try:
        with ours.makefile("rb") as lines:
            for line in lines:
                message = json.loads(line)
                if "report" in message:
                    report: dict[str, Any] = message["report"]
                    return report
    except TimeoutError:
        raise PreloadError(f"the rehearsal of {order.spider} did not end within {REHEARSAL_S} s") from None
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        ours.close()
    raise PreloadError(f"the rehearsal of {order.spider} ended without a report")
