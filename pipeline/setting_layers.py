"""Where the values of settings come from: the environment, files of NAME=VALUE lines, files of one secret each."""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dotenv import dotenv_values

from pipeline.errors import PipelineError

PROJECT_ROOT = Path(__file__).resolve().parent.parent
IS_CHECKOUT = (PROJECT_ROOT / "setup.cfg").is_file()
"""Whether this is a clone or an unpacked release, and not a package that pip installed."""


def _base_dir() -> Path:
    if IS_CHECKOUT:
        return PROJECT_ROOT
    # Here: only an installed package needs it.
    from platformdirs import user_data_path

    return user_data_path("crawlpush", appauthor=False)


BASE_DIR = _base_dir()
"""Where `.env` is looked for. Beside an installed package nothing of the user's may lie: pip replaces that folder."""
DATA_DIR = BASE_DIR / "data" if IS_CHECKOUT else BASE_DIR
"""Where the data are unless the setting of this name says otherwise."""
FILE_SUFFIX = "_file"
"""NAME_FILE names a file whose text is the value of NAME, as Docker and Kubernetes hand out secrets."""
_MAX_SECRET_BYTES = 65_536
"""A key or a URL is far shorter; a device such as /dev/zero is longer."""


class LayersError(PipelineError, ValueError):
    """Values that cannot be read or contradict each other; the message is the sentence for the user."""


@dataclass(frozen=True)
class Layer:
    """What one place says: names in small letters, and no empty values."""

    # As in "set in ...".
    place: str
    values: Mapping[str, str] = field(repr=False)


Origin = str
"""Where a value was set, in words."""


def env_file() -> Path | None:
    """The `.env` file: the one that ENV_FILE names (none if it is empty), else that of the project or of the user."""
    name = os.environ.get("ENV_FILE")
    if name is None:
        return BASE_DIR / ".env"
    return Path(name).expanduser() if name else None


def data_dir() -> Path:
    """DATA_DIR, as the settings have it, without reading all of them. Raises LayersError, OSError."""
    file = env_file()
    layers = [env_layer(), *([file_layer(file)] if file else [])]
    given, _ = merged(layers, names=["data_dir"], secrets=frozenset())
    return Path(given.get("data_dir", DATA_DIR)).expanduser()


def env_layer() -> Layer:
    """The environment of this process."""
    return Layer("the environment", _named(os.environ.items()))


def file_layer(path: Path) -> Layer:
    """A file of NAME=VALUE lines; one that is not there says nothing. Raises LayersError, OSError."""
    try:
        values = dotenv_values(path, encoding="utf-8") if path.is_file() else {}
    except UnicodeDecodeError:
        raise LayersError(f"{path} is not UTF-8: save it as such") from None
    return Layer(str(path), _named(values.items()))


def _named(items: Iterable[tuple[str, str | None]]) -> dict[str, str]:
    return {name.lower(): value for name, value in items if value}


def read_secret(path: Path) -> str:
    """The text of a file that holds one secret, without the newline at its end. Raises LayersError, OSError."""
    with path.open("rb") as file:
        data = file.read(_MAX_SECRET_BYTES + 1)
    try:
        text = data.decode().strip()
    except UnicodeDecodeError:
        text = ""
    if not text or len(data) > _MAX_SECRET_BYTES:
        raise LayersError(f"{path} does not hold a secret: one line of UTF-8 text is expected")
    return text


def merged(
    layers: Sequence[Layer],
    *,
    names: Iterable[str],
    secrets: frozenset[str],
    read: Callable[[Path], str] = read_secret,
) -> tuple[dict[str, str], dict[str, Origin]]:
    """The value of each name that somebody set, and where; the layers go from strong to weak.

    A name of `secrets` may be given by a file. Raises LayersError where one place says both, and what `read` raises.
    """
    values: dict[str, str] = {}
    origins: dict[str, Origin] = {}
    for name in names:
        by_file = f"{name}{FILE_SUFFIX}" if name in secrets else None
        for layer in layers:
            value, path = layer.values.get(name), layer.values.get(by_file or "")
            if value and path:
                raise LayersError(
                    f"{layer.place} sets both {name.upper()} and {name.upper()}_FILE: leave one of them out"
                )
            if value or path:
                values[name] = value or read(Path(path or "").expanduser())
                origins[name] = f"{path} ({name.upper()}_FILE in {layer.place})" if path else layer.place
                break
    return values, origins
