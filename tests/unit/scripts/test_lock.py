"""The lock files: exact pins that satisfy setup.cfg, from no other place than the package index."""

import configparser
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[3]
LOCKS = ("requirements.txt", "requirements-test.txt")


def requirements(text: str) -> list[Requirement]:
    return [Requirement(line) for line in text.splitlines() if line.strip() and not line.strip().startswith("#")]


@pytest.fixture(scope="module")
def setup_cfg() -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(ROOT / "setup.cfg")
    return parser


@pytest.mark.parametrize("name", LOCKS)
def test_every_line_is_one_exact_pin(name: str) -> None:
    for requirement in requirements((ROOT / name).read_text()):
        assert [specifier.operator for specifier in requirement.specifier] == ["=="], requirement
        assert requirement.url is None


@pytest.mark.parametrize("name", LOCKS)
def test_nothing_says_where_to_download_from(name: str) -> None:
    text = (ROOT / name).read_text()

    assert not [
        line for line in text.splitlines() if line.startswith("-") or "://" in line or "/" in line.split("#")[0]
    ]


def test_the_pins_satisfy_the_ranges(setup_cfg: configparser.ConfigParser) -> None:
    runtime = setup_cfg["options"]["install_requires"]
    extras = setup_cfg["options.extras_require"]
    for name, wanted in {
        "requirements.txt": [runtime, extras["flower"]],
        "requirements-test.txt": [runtime, extras["flower"], extras["test"]],
    }.items():
        pins = {pin.name.lower(): next(iter(pin.specifier)).version for pin in requirements((ROOT / name).read_text())}
        for requirement in (r for text in wanted for r in requirements(text)):
            assert requirement.specifier.contains(pins[requirement.name.lower()]), f"{requirement}: run scripts/lock"


def test_the_test_lock_holds_every_runtime_pin() -> None:
    # Only the markers may be wider there.
    runtime, test = ({(r.name, str(r.specifier)) for r in requirements((ROOT / name).read_text())} for name in LOCKS)

    assert runtime <= test
