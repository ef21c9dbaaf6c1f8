"""Files that hold secrets and that others on this machine may read."""

import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pipeline.setting_layers import env_file
from pipeline.settings import Settings
from storage.session import parse_url


@dataclass(frozen=True, kw_only=True)
class Exposed:
    """A file, or a folder, that others may read."""

    path: Path
    mode: int

    @property
    def sentence(self) -> str:
        """What is wrong, with the way out."""
        closed = stat.S_IMODE(self.mode) & 0o700
        return f"{self.path} may be read by other users (mode {self.mode:o}); run: chmod {closed:o} {self.path}"


def secret_files(settings: Settings) -> list[Path]:
    """The files that hold passwords, keys or device tokens, as far as this process can see them."""
    return [path for path in _candidates(settings) if _mode(path) is not None]


def exposed_files(settings: Settings) -> list[Exposed]:
    """Those that others may read. A file in a folder that is closed to them is safe."""
    found = []
    for path in secret_files(settings):
        mode, folder = _mode(path) or 0, _mode(path.parent) or 0
        if mode & 0o077 and folder & 0o011:
            found.append(Exposed(path=path, mode=mode))
    return found


def _candidates(settings: Settings) -> Iterator[Path]:
    if (dotenv := env_file()) is not None:
        yield dotenv
    yield settings.data_dir / "embedded.env"
    url = parse_url(settings.database)
    if url.get_backend_name() == "sqlite" and url.database:
        yield Path(url.database)
    for key in (settings.fcm_service_account_file, settings.apns_key_file):
        if key is not None:
            yield key


def _mode(path: Path) -> int | None:
    try:
        return stat.S_IMODE(path.stat().st_mode)
    except OSError:
        # It is not there, or not ours to see: under systemd only the notifier sees the keys.
        return None
