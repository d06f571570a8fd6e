"""Real servers and a real Chromium. A module's tests share a server, on the tests' tiny model or on the demo.

The demo is for what only a model that refuses can show; the tiny model is for the rest, because it takes no time to
load or to answer. Skipped with the reason where something is missing; with `HYDRASCOPE_REQUIRE_BROWSER` set, that fails
instead.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from core.settings import REQUIRE_BROWSER
from tests.browser.server import CHROMIUM, missing, running_server, tiny_server


@pytest.fixture(scope="session", autouse=True)
def possible() -> None:
    reason = missing()
    if reason and REQUIRE_BROWSER.read():
        pytest.fail(f"The browser tests are required here, but {reason}.")
    if reason:
        pytest.skip(f"browser tests: {reason}")


@pytest.fixture(scope="module")
def tiny_address(possible, page_spec, tmp_path_factory) -> Iterator[str]:
    """The module's server on the tiny model."""
    with tiny_server(tmp_path_factory.mktemp("tiny-server"), page_spec) as found:
        yield found


@pytest.fixture(scope="module")
def demo_address(possible, tmp_path_factory) -> Iterator[str]:
    """The module's server on the demo."""
    with running_server(tmp_path_factory.mktemp("demo-server")) as found:
        yield found


@pytest.fixture(scope="session")
def browser(possible):
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        found = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--process-per-site"],
        )
        yield found
        found.close()


@pytest.fixture(scope="session")
def profile(browser):
    """One browser profile for all tests: it keeps the page's scripts, compiled, from one tab to the next. Nothing of a
    visitor is kept in it; a visitor is a tab's connection.
    """
    found = browser.new_context(locale="en-GB")
    yield found
    found.close()


@pytest.fixture
def tabs(profile) -> Iterator[Callable]:
    """tabs(PageClass, address, **parameters) opens a tab. width, height, dark: how it looks; parameters: the link's."""
    opened = []

    def open_tab(kind, address: str, width: int = 1280, height: int = 900, dark: bool = False, **parameters: str):
        page = profile.new_page()
        opened.append(page)
        page.set_viewport_size({"width": width, "height": height})
        page.emulate_media(color_scheme="dark" if dark else "light")
        return kind(page, address).open(**parameters)

    yield open_tab
    for page in opened:
        page.close()
