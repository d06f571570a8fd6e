"""A link on another site: nothing is computed before a click, and after it everything is as with any other link."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlencode

import pytest
from playwright.sync_api import expect

from tests.browser.workbench import Workbench

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(300)]

EDITS = {"2-3": True, "3-4": True}


@pytest.fixture
def elsewhere() -> Iterator[str]:
    """The address of another site, whose page leads on to the address that its query names."""

    class Site(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            target = self.path.partition("?to=")[2].replace("&", "&amp;")
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Referrer-Policy", "no-referrer")
            self.end_headers()
            self.wfile.write(f'<a id="on" href="{target}">on</a>'.encode())

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


@pytest.fixture
def led(tabs, tiny_address, elsewhere):
    """led(path, **link): a tab that a click on the other site has led here."""

    def go(path: str = "", **link: str) -> Workbench:
        tab = tabs(Workbench, tiny_address)
        tab.page.goto(f"{elsewhere}?to={tiny_address}/{path}?{urlencode(link)}")
        tab.page.click("#on")
        return tab

    return go


def test_it_waits_for_a_click_and_then_reload_and_back_do_not(led):
    prompt = "A request of <b>another</b> site"
    tab = led(prompt=prompt, edits=",".join(EDITS))
    expect(tab.page.get_by_role("heading", name="A link from another site")).to_be_visible()
    expect(tab.page.get_by_text(prompt)).to_be_visible()
    expect(tab.page.get_by_text("2 edits: 2-3, 3-4")).to_be_visible()
    expect(tab.pills).to_have_count(0)
    tab.page.reload()
    expect(tab.page.locator(".st-key-outside_open")).to_be_visible()
    tab.click("outside_open").on("Audit").shows(EDITS)
    expect(tab.box).to_have_value(prompt)
    tab.reload("Audit").shows(EDITS)
    tab.go("Hydra").shows(EDITS)
    tab.back("Audit").shows(EDITS)
    tab.toggle("3-4").reload("Audit").shows(EDITS | {"3-4": False})
    tab.nothing_complains()


def test_left_alone_it_begins_as_without_a_link(led):
    tab = led("hydra", prompt="Another request of another site", edits="2-3", k="7")
    tab.click("outside_leave").on("Hydra")
    assert "Another request" not in tab.page.url
    expect(tab.box).not_to_have_value("Another request of another site")
    tab.nothing_complains()


def test_a_bare_address_needs_no_click(led):
    led().on("Audit").nothing_complains()
