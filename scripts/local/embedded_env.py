"""The addresses of the servers that `scripts/start` runs, for the commands in a second terminal.

pipeline.settings reads this file below `.env` and the environment.
"""

import os
from collections.abc import Mapping
from pathlib import Path

NAME = "embedded.env"


def write_embedded_env(data_dir: Path, variables: Mapping[str, str]) -> None:
    """Write the variables, readable by this user alone: Redis' password is among them."""
    path = data_dir / NAME
    lines = ["# Written by scripts/start, which removes it when it stops. Your own settings belong in .env."]
    lines += [f"{name}={_quoted(value)}" for name, value in variables.items()]
    partial = path.with_suffix(".new")
    partial.unlink(missing_ok=True)
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")
    partial.replace(path)


def remove_embedded_env(data_dir: Path) -> None:
    """Remove the file, if it is there."""
    (data_dir / NAME).unlink(missing_ok=True)


def _quoted(value: str) -> str:
    # In single quotes these two have a meaning to python-dotenv. (So has ${NAME}, anywhere, but no address has it.)
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
