"""`scripts/record`: the README's moving picture, from a demo of its own."""

import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pytest

from pipeline.setting_layers import PROJECT_ROOT
from scripts.manual.recording import COMMANDS


@pytest.mark.full
def test_the_moving_picture_shows_a_demo_that_has_pushed(tmp_path: Path) -> None:
    picture = tmp_path / "terminal.svg"
    run = subprocess.run(
        [PROJECT_ROOT / "scripts" / "record", picture], capture_output=True, text=True, timeout=550, check=False
    )
    assert run.returncode == 0, run.stdout + run.stderr
    screens = list(ElementTree.parse(picture).getroot().iterfind("{http://www.w3.org/2000/svg}g"))
    shown = ["".join(screen.itertext()) for screen in screens]
    assert [text.startswith(f"$crawlpush {command}") for text, command in zip(shown, COMMANDS, strict=True)]
    assert "sent" in shown[2]
    assert "delivered" in shown[3]
    assert "sites: " in shown[4]
