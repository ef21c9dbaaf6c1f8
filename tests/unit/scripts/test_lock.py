"""The lock files: exact pins that satisfy setup.cfg, from no other place than the package index."""

import ast
import configparser
import re
import sys
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from pipeline.broker.redis_transport import KOMBU_VERSIONS

ROOT = Path(__file__).resolve().parents[3]
OURS = ("pipeline", "scripts", "spiders", "storage")
LOCKS = ("requirements.txt", "requirements-test.txt")


HASH = "--hash=sha256:"


def requirements(text: str) -> list[Requirement]:
    lines = (line.strip().removesuffix(" \\") for line in text.splitlines())
    return [Requirement(line) for line in lines if line and not line.startswith(("#", HASH))]


@pytest.fixture(scope="module")
def setup_cfg() -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(ROOT / "setup.cfg")
    return parser


@pytest.mark.parametrize("name", LOCKS)
def test_every_line_is_one_exact_pin(name):
    for requirement in requirements((ROOT / name).read_text()):
        assert [specifier.operator for specifier in requirement.specifier] == ["=="], requirement
        assert requirement.url is None


@pytest.mark.parametrize("name", LOCKS)
def test_nothing_says_where_to_download_from(name):
    text = (ROOT / name).read_text()
    assert not [
        line for line in text.splitlines() if line.startswith("-") or "://" in line or "/" in line.split("#")[0]
    ]


@pytest.mark.parametrize("name", LOCKS)
def test_every_pin_has_the_hashes_of_its_files(name):
    lines = [line for line in (ROOT / name).read_text().splitlines() if not line.startswith("#")]
    pins = [index for index, line in enumerate(lines) if not line.startswith(" ")]
    assert pins
    assert all(lines[index + 1].strip().startswith(HASH) for index in pins)


def test_the_pins_satisfy_the_ranges(setup_cfg):
    runtime = setup_cfg["options"]["install_requires"]
    extras = setup_cfg["options.extras_require"]
    for name, wanted in {
        "requirements.txt": [runtime, extras["flower"]],
        "requirements-test.txt": [runtime, extras["flower"], extras["test"]],
    }.items():
        pins = {pin.name.lower(): next(iter(pin.specifier)).version for pin in requirements((ROOT / name).read_text())}
        for requirement in (r for text in wanted for r in requirements(text)):
            assert requirement.specifier.contains(pins[requirement.name.lower()]), f"{requirement}: run scripts/lock"


def test_the_test_lock_holds_every_runtime_pin():
    # Only the markers may be wider there.
    runtime, test = ({(r.name, str(r.specifier)) for r in requirements((ROOT / name).read_text())} for name in LOCKS)
    assert runtime <= test


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def declared(setup_cfg: configparser.ConfigParser, *extras: str) -> set[str]:
    texts = [setup_cfg["options"]["install_requires"], *(setup_cfg["options.extras_require"][name] for name in extras)]
    return {canonical(requirement.name) for text in texts for requirement in requirements(text)}


def imported(*folders: str) -> Iterator[tuple[str, str]]:
    """Each module from elsewhere that a file imports, by the first part of its name."""
    for folder in folders:
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                names = [node.module] if isinstance(node, ast.ImportFrom) and node.level == 0 else []
                names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
                for name in filter(None, names):
                    yield str(path.relative_to(ROOT)), name.partition(".")[0]


@pytest.mark.parametrize(("folders", "extras"), [(OURS, ("browser", "docs")), (("tests",), ("test", "browser"))])
def test_what_is_imported_is_declared(folders, extras, setup_cfg):
    installed = packages_distributions()
    known = declared(setup_cfg, *extras)
    missing = {
        f"{path}: {name}"
        for path, name in imported(*folders)
        if name not in {*sys.stdlib_module_names, *OURS, "tests"}
        and not known & {canonical(distribution) for distribution in installed.get(name, [name])}
    }
    assert missing == set()


def test_exactly_the_kombu_is_allowed_whose_inside_was_read(setup_cfg):
    (kombu,) = (r for r in requirements(setup_cfg["options"]["install_requires"]) if r.name == "kombu")
    assert str(kombu.specifier) in {f"=={version}" for version in KOMBU_VERSIONS}
