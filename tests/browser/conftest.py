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
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"]
        )
        yield found
        found.close()


@pytest.fixture
def tabs(browser) -> Iterator[Callable]:
    """tabs(PageClass, address, **parameters) opens a tab in a browser profile of its own. width, height, dark: how it
    looks; parameters: the link's.
    """
    contexts = []

    def open_tab(kind, address: str, width: int = 1280, height: int = 900, dark: bool = False, **parameters: str):
        context = browser.new_context(
            viewport={"width": width, "height": height}, color_scheme="dark" if dark else "light", locale="en-GB"
        )
        contexts.append(context)
        return kind(context.new_page(), address).open(**parameters)

    yield open_tab
    for context in contexts:
        context.close()
