"""What pip installs: the wheel, outside of the project, by somebody who has nothing but Python."""

import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

from pipeline.setting_layers import PROJECT_ROOT
from scripts.local.embedded_redis import find_server
from tests.acceptance.test_start import started
from tests.support.services import require


@pytest.fixture
def installed_python(tmp_path: Path) -> Path:
    """The Python of an environment with the wheel; the packages that it needs are borrowed from this one."""
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "wheel", "--no-deps", "--wheel-dir", tmp_path / "dist", PROJECT_ROOT], check=True)
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    venv.create(tmp_path / "env", with_pip=False)
    python = tmp_path / "env" / "bin" / "python"
    subprocess.run([*pip, "--python", python, "install", "--no-deps", wheel], check=True)
    (packages,) = (tmp_path / "env" / "lib").glob("python*/site-packages")
    # Without the editable install: a folder that is named in a .pth file has its own .pth files left alone.
    (packages / "borrowed.pth").write_text(sysconfig.get_path("purelib"))
    for name in ("celery", "uvicorn"):
        script = python.with_name(name)
        script.write_text(f"#!{python}\nfrom {name}.__main__ import main\nmain()\n")
        script.chmod(0o755)
    return python


@pytest.mark.full
def test_a_start_of_the_installed_package_pushes_and_keeps_its_data_in_the_users_own_folder(tmp_path, installed_python):
    require(find_server() is not None, "a redis-server")
    home = tmp_path / "사용자 home"
    home.mkdir()
    # Empty: as if it were not set.
    environment = {"HOME": str(home), "XDG_DATA_HOME": str(home / "data"), "PYTHONSAFEPATH": "1", "DATA_DIR": ""}
    with started(tmp_path, python=installed_python, **environment) as start:
        start.wait_for(f"kept in {home / 'data' / 'crawlpush'}")
        start.wait_for("push delivered")
    assert (home / "data" / "crawlpush" / "crawlpush.db").is_file()
    assert not list(installed_python.parents[1].glob("lib/python*/site-packages/data"))
