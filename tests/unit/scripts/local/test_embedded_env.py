"""The file by which a second terminal finds the embedded servers."""

import stat
from pathlib import Path

from dotenv import dotenv_values

from scripts.local.embedded_env import NAME, remove_embedded_env, write_embedded_env


def test_an_address_and_any_path_come_back_as_it_was(tmp_path: Path) -> None:
    variables = {"REDIS_URL": "redis://:secret@127.0.0.1:1234/0", "PUSH_CA_FILE": "/home/o'neill/my data #1/a\\b.pem"}
    write_embedded_env(tmp_path, variables)
    assert dotenv_values(tmp_path / NAME) == variables


def test_only_this_user_may_read_it_even_where_another_file_stood(tmp_path: Path) -> None:
    (tmp_path / NAME).write_text("open to all")
    (tmp_path / NAME).chmod(0o644)
    write_embedded_env(tmp_path, {"REDIS_URL": "redis://:secret@127.0.0.1:1234/0"})
    assert stat.S_IMODE((tmp_path / NAME).stat().st_mode) == 0o600


def test_removing_it_twice_is_fine(tmp_path: Path) -> None:
    write_embedded_env(tmp_path, {})
    remove_embedded_env(tmp_path)
    remove_embedded_env(tmp_path)
    assert not list(tmp_path.iterdir())
