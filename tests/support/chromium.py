"""A real Chromium, the distribution's, and what is asked of every page in it."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

from tests.support.services import require

NAMES = ("chromium", "chromium-browser", "google-chrome")
PHONE, DESK = 390, 1280
"""Widths that every page is to fit."""
SERIOUS = ("serious", "critical")
PICTURES = os.environ.get("PICTURES")
"""A folder for the pictures of the README: a test that takes one leaves it there."""
expect.set_options(timeout=180_000)


@contextmanager
def chromium() -> Iterator[Browser]:
    """The browser; skips on a machine without one."""
    path = next(filter(None, map(shutil.which, NAMES)), None)
    require(path is not None, "chromium")
    with sync_playwright() as playwright:
        # Containers have no user namespaces for its sandbox; all that it opens is ours.
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"], timeout=180_000)
        yield browser
        browser.close()


def open_page(browser: Browser, *, width: int = DESK, dark: bool = False, locale: str = "en-US") -> Page:
    """A page of its own, whose scripts and console are watched: what is said there fails `check`."""
    context = browser.new_context(
        viewport={"width": width, "height": 900}, color_scheme="dark" if dark else "light", locale=locale
    )
    page = context.new_page()
    page.set_default_timeout(180_000)
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text) if is_complaint(message) else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("dialog", lambda dialog: (said.append(dialog.message), dialog.dismiss()))
    page.said = said  # type: ignore[attr-defined]
    return page


def is_complaint(message: ConsoleMessage) -> bool:
    """Whether the browser complains, of the policy for example; a refused form's status is what a test looks at."""
    return message.type in ("error", "warning") and not message.text.startswith("Failed to load resource")


def check(page: Page) -> None:
    """Nobody has to scroll sideways, axe finds nothing serious, and the browser had nothing to complain of."""
    for width in (PHONE, DESK):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= width, (page.url, width)
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            found = Axe().run(page).response["violations"]
            serious = {
                each["id"]: [node["html"] for node in each["nodes"]] for each in found if each["impact"] in SERIOUS
            }
            assert serious == {}, (page.url, width, scheme)
    assert page.said == [], page.url  # type: ignore[attr-defined]


def picture(page: Page, name: str, *, width: int = DESK, height: int = 800) -> None:
    """Leave a picture for the README, if one is wanted."""
    if PICTURES:
        page.set_viewport_size({"width": width, "height": height})
        page.emulate_media(color_scheme="light")
        page.screenshot(path=Path(PICTURES) / f"{name}.png")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A browser for the tests of a module."""
    with chromium() as found:
        yield found
