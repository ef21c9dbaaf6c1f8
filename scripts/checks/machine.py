"""This machine: room on its disk, and who may read the secrets on it."""

import shutil
from collections.abc import Iterator
from pathlib import Path

from pipeline.push.channels import Finding, Level
from pipeline.secret_files import exposed_files, secret_files
from pipeline.settings import Settings

MB = 1_000_000
FREE_WARN_MB = 1_000
FREE_FAIL_MB = 200


def disk(settings: Settings) -> Iterator[Finding]:
    """The disk of the data folder, where an embedded database and Redis write."""
    folder = settings.data_dir
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    yield room(folder, shutil.disk_usage(folder).free // MB)


def room(folder: Path, free_mb: int) -> Finding:
    """What so much free space means. Pure."""
    level = Level.FAIL if free_mb < FREE_FAIL_MB else Level.WARN if free_mb < FREE_WARN_MB else Level.OK
    out = "" if level is Level.OK else "; `crawlpush prune` removes what is old, RETENTION_* say what that is"
    return Finding(level=level, sentence=f"{free_mb} MB are free at {folder}{out}")


def modes(settings: Settings) -> Iterator[Finding]:
    """Who may read the files that hold secrets; of the push keys the check of the credentials says it."""
    exposed = {file.path: file for file in exposed_files(settings)}
    keys = {settings.fcm_service_account_file, settings.apns_key_file}
    for path in (path for path in secret_files(settings) if path not in keys):
        if path in exposed:
            yield Finding(level=Level.WARN, sentence=exposed[path].sentence)
            continue
        yield Finding(level=Level.OK, sentence=f"{path} can be read by nobody else")
