"""Whose a file is: what a sentence about a file that may not be read needs to say."""

import os
from pathlib import Path


def other_owner(path: Path) -> str | None:
    """The user to whom a file belongs, or the nearest folder above it that can be seen; None if that is ourselves."""
    # Here: Windows has none.
    import pwd

    for each in (path.absolute(), *path.absolute().parents):
        try:
            uid = each.stat().st_uid
        except OSError:
            # It is not there, or its folder may not be looked into.
            continue
        if uid == os.geteuid():
            return None
        try:
            return pwd.getpwuid(uid).pw_name
        except KeyError:
            return f"user {uid}"
    return None


def file_sentence(error: OSError) -> str:
    """What to tell a person about a file that cannot be used, with its owner where that is somebody else."""
    path = os.fsdecode(error.filename) if isinstance(error.filename, str | bytes | Path) else str(error.filename)
    said = f"{path}: {error.strerror or type(error).__name__}"
    owner = other_owner(Path(path)) if isinstance(error, PermissionError) else None
    return f"{said}; it belongs to {owner}: run this as {owner}, or give it to yourself with chown" if owner else said
