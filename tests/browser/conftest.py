"""A real server on the real demo model, and a real Chromium.

Skipped with the reason where either is missing; with `HYDRASCOPE_REQUIRE_BROWSER` set, that fails instead.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from core.settings import REQUIRE_BROWSER
from tests.browser.audit_page import AuditPage
from tests.browser.server import CHROMIUM, missing, running_server


@pytest.fixture(scope="session", autouse=True)
def possible() -> None:
    reason = missing()
    if reason and REQUIRE_BROWSER.read():
        pytest.fail(f"The browser tests are required here, but {reason}.")
    if reason:
        pytest.skip(f"browser tests: {reason}")


@pytest.fixture(scope="session")
def address(possible, tmp_path_factory) -> Iterator[str]:
    """The server that most tests share."""
    with running_server(tmp_path_factory.mktemp("server")) as found:
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


@pytest.fixture
def visit(tabs, address) -> Callable:
    """visit(**parameters) opens the Audit page on the server that most tests share; `at`: on another one."""
    return lambda at=address, **parameters: tabs(AuditPage, at, **parameters)
