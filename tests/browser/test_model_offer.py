"""The offer of a first model in a real browser: taken, stopped half-way, come back to, and taken again.

The model is a tiny GGUF file on a loopback hub under the real one's name, fetched and converted by the real code.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import pytest
from playwright.sync_api import expect

from core.text.sizes import size_text
from tests.browser.offered_model import HUB, NAME, make_repository, offer_tiny_model
from tests.browser.server import tiny_server
from tests.browser.workbench import Workbench
from tests.loopback_hub.environment import variables
from tests.loopback_hub.server import LoopbackHub
from tests.shipped_model import assets, shipped

__all__ = ["assets", "shipped"]  # fixtures
pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(300)]


class Served(NamedTuple):
    hub: LoopbackHub
    address: str
    size: int


@pytest.fixture
def served(shipped, page_spec, tmp_path) -> Iterator[Served]:
    """A server on which nobody has chosen a model, and the hub it is pointed at."""
    repository = tmp_path / "repository"
    repository.mkdir()
    file = make_repository(repository)
    with LoopbackHub() as hub:
        hub.add(HUB.repo, repository, revision=HUB.revision)
        environment = variables(hub, tmp_path / "hf") | {"HF_TOKEN": "", "HF_HUB_OFFLINE": "0", "HYDRASCOPE_MODEL": ""}
        demo, prepare = replace(page_spec, name="demo"), partial(offer_tiny_model, file, shipped.parent)
        with tiny_server(tmp_path / "server", demo, prepare, **environment) as address:
            yield Served(hub, address, file.stat().st_size)


def offered(tab: Workbench) -> None:
    """The offer stands on the page, and the demo is in use."""
    offer = tab.page.locator(".st-key-model_offer")
    expect(offer).to_be_visible()
    expect(offer.get_by_role("button", name="Use it")).to_be_visible()
    expect(tab.page.get_by_text("Model demo").first).to_be_visible()


def test_the_other_model_is_taken_stopped_come_back_to_and_taken_again(served, tabs):
    hub = served.hub
    tab = tabs(Workbench, served.address)
    offered(tab)
    expect(tab.page.locator(".st-key-model_offer_now")).to_have_text(
        re.compile(r"demo\s+in use\s+Taught to refuse by us\. Starts at once\.")
    )
    line = f"Trained to refuse by its makers. Downloads {size_text(served.size)} once."
    expect(tab.page.locator(".st-key-model_offer_other")).to_contain_text(line)
    tab.shot("offer-first-screen")

    hub.slows(HUB.repo, HUB.name, 500)  # it would take a quarter of an hour
    tab.click_text("Use it")
    bar = tab.page.locator(".st-key-model_offer_progress")
    arrived = re.compile(rf"Downloading {re.escape(HUB.name)} \([1-9].* of {re.escape(size_text(served.size))}\)")
    expect(bar).to_contain_text(arrived)
    expect(bar).to_contain_text("You can go on meanwhile.")
    expect(tab.page.get_by_text("Model demo").first).to_be_visible()
    tab.shot("offer-progress")
    tab.reload("Audit")
    expect(bar).to_contain_text(arrived)

    tab.click_text("Stop")
    expect(tab.page.get_by_text("The download was cancelled; the downloaded part is kept")).to_be_visible()
    offered(tab.done())
    tab.shot("offer-stopped")
    tab.page.get_by_role("link", name="Judges", exact=True).click()
    expect(tab.page.get_by_role("heading", name="Judges", exact=True)).to_be_visible()
    tab.go("Audit")
    offered(tab)
    tab.nothing_complains()

    hub.faults.clear()
    tab.click_text("Use it")
    expect(tab.page.get_by_text(f"Model {NAME} on")).to_be_visible()
    expect(tab.page.locator(".st-key-model_offer")).to_have_count(0)
    first, second = hub.deliveries(HUB.repo, HUB.name)
    assert first.first_byte == 0 < second.first_byte < served.size, "it goes on where it was stopped"
    tab.done().shot("offer-in-use")
    tab.nothing_complains()
