"""Makes, repairs or updates .venv. Run by scripts/start and scripts/test with the machine's own Python.

Standard library only: nothing is installed yet. `python -I scripts/environment.py requirements.txt`
"""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
VENV_PYTHON = VENV / "bin" / "python"
LOG = VENV / "install.log"
UNFINISHED = VENV / "install-unfinished"
RUNTIME_LOCK = "requirements.txt"
PIP_WHEEL = re.compile(
    r'<a href="(?P<url>[^"#]*pip-(?P<version>\d+(?:\.\d+)+)-py3-none-any\.whl)#sha256=(?P<sha256>[0-9a-f]{64})"'
    r"(?P<attributes>[^>]*)>"
)


class SetupError(Exception):
    """The environment cannot be made; the message is one sentence for the person at the terminal."""


def main() -> None:
    """Bring .venv in line with the lock file named by the first argument."""
    lock_file = sys.argv[1]
    try:
        with _one_at_a_time():
            if not _is_current(lock_file):
                _install(lock_file)
    except SetupError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit("Stopped. The next start finishes it, beginning .venv anew.")


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    """Let scripts/start and scripts/test in two terminals take turns: the second finds everything done."""
    descriptor = os.open(ROOT, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _say("Waiting for the other setup in this folder")
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _stamp(lock_file: str) -> Path:
    return VENV / f"{lock_file}.installed"


def _digest(lock_file: str) -> str:
    """Everything an installed .venv depends on: the pins, the project's metadata, the Python, the path."""
    digest = hashlib.sha256(str(ROOT).encode())
    for path in (ROOT / lock_file, ROOT / "setup.cfg", ROOT / "pyproject.toml", VENV / "pyvenv.cfg"):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _is_current(lock_file: str) -> bool:
    try:
        return _works() and _stamp(lock_file).read_text() == _digest(lock_file)
    except OSError:
        return False


def _works(*command: str) -> bool:
    """Whether .venv has a Python that runs, is new enough, and can do this."""
    code = "import sys; sys.exit(sys.version_info < (3, 11))"
    return VENV_PYTHON.exists() and all(
        _run(VENV_PYTHON, *arguments).returncode == 0 for arguments in (("-I", "-c", code), command) if arguments
    )


def _install(lock_file: str) -> None:
    # An install that was killed leaves packages that pip takes for complete, so such a .venv is made anew.
    if UNFINISHED.exists() or not _works("-m", "pip", "--version"):
        _create_venv()
    for stamp in VENV.glob("*.installed"):
        stamp.unlink()
    UNFINISHED.touch()
    LOG.write_bytes(b"")
    with _step(f"Installing {lock_file} (a minute or two the first time)"):
        _pip("-r", str(ROOT / lock_file))
    with _step("Installing crawlpush"):
        _pip("--no-deps", "--editable", str(ROOT))
    UNFINISHED.unlink()
    # The test lock holds every pin of the runtime lock.
    for name in {lock_file, RUNTIME_LOCK}:
        _stamp(name).write_text(_digest(name))


def _pip(*arguments: str) -> None:
    options = ("--no-user", "--no-input", "--disable-pip-version-check")
    command = [str(VENV_PYTHON), "-m", "pip", "install", *options, *arguments]
    with LOG.open("ab") as log:
        done = subprocess.run(command, stdout=log, stderr=subprocess.STDOUT, check=False)
    if done.returncode:
        lines = LOG.read_text(errors="replace").splitlines()
        errors = [line for line in lines if "error" in line.lower()][-5:] or lines[-5:]
        raise SetupError("\n".join(["pip could not install the packages:", *errors, f"All it said is in {LOG}."]))


def _create_venv() -> None:
    # When .venv itself is activated, python3 is its own: the one to build from is the one behind it.
    base = getattr(sys, "_base_executable", sys.executable)
    with _step(f"Making .venv with Python {sys.version.split()[0]}"):
        shutil.rmtree(VENV, ignore_errors=True)
        if _run(base, "-m", "venv", VENV).returncode == 0 and _works("-m", "pip", "--version"):
            return
        # Debian and Ubuntu ship Python without ensurepip, which is in python3-venv.
        shutil.rmtree(VENV, ignore_errors=True)
        bare = _run(base, "-m", "venv", "--without-pip", VENV)
        if bare.returncode:
            reason = (bare.stderr or bare.stdout).strip()
            raise SetupError(f"Python could not make a virtual environment: {reason}")
        _install_pip(base)


def _install_pip(base: str) -> None:
    """Put pip into a .venv that was made without: with the machine's pip, else with the index's newest."""
    if _run(base, "-m", "pip", "--python", VENV_PYTHON, "install", "pip").returncode == 0:
        return
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    way_out = f"Install the package python{version}-venv, then start again."
    with tempfile.TemporaryDirectory() as folder:
        try:
            wheel = _download_pip(Path(folder))
        except (OSError, ValueError) as error:
            raise SetupError(
                f"This Python has no pip, and the package index did not give one ({error}). {way_out}"
            ) from error
        # A wheel is a zip file, and pip runs from inside its own.
        done = _run(VENV_PYTHON, wheel / "pip", "install", "--no-index", wheel)
    if done.returncode:
        raise SetupError(f"pip could not be installed into .venv: {done.stderr.strip()} {way_out}")


def _download_pip(folder: Path) -> Path:
    """Fetch the newest pip wheel from the package index, whose pages PEP 503 describes."""
    index = os.environ.get("PIP_INDEX_URL", "https://pypi.org/simple").rstrip("/") + "/pip/"
    if not index.startswith("https://"):
        raise ValueError("PIP_INDEX_URL is not an https address")
    with urllib.request.urlopen(index, timeout=30) as response:  # noqa: S310 - https, see above
        page = response.read().decode()
    wheels = [match for match in PIP_WHEEL.finditer(page) if "data-yanked" not in match["attributes"]]
    if not wheels:
        raise ValueError("it lists no wheel of pip")
    newest = max(wheels, key=lambda match: tuple(map(int, match["version"].split("."))))
    with urllib.request.urlopen(urllib.parse.urljoin(index, newest["url"]), timeout=60) as response:  # noqa: S310
        content = response.read()
    if hashlib.sha256(content).hexdigest() != newest["sha256"]:
        raise ValueError("the download does not match its checksum")
    wheel = folder / f"pip-{newest['version']}-py3-none-any.whl"
    wheel.write_bytes(content)
    return wheel


def _run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False)


@contextmanager
def _step(title: str) -> Iterator[None]:
    """One line for each step: what it does, then how long it took."""
    _say(f"{title} ...", end="")
    started = time.monotonic()
    try:
        yield
    except BaseException:
        _say("")
        raise
    _say(f" {time.monotonic() - started:.0f} s")


def _say(text: str, end: str = "\n") -> None:
    sys.stdout.write(text + end)
    sys.stdout.flush()


if __name__ == "__main__":
    main()
