"""Addresses with settings from elsewhere wait for a click; what this server wrote, or a person opened, does not."""

from __future__ import annotations

from uuid import uuid4

import pytest

from pages.shared import links_seen

HOST = "localhost:8501"


def arrive(headers: dict[str, str]) -> dict[str, list[str]]:
    """A new address is asked for with these headers; its parameters."""
    prompt = uuid4().hex
    links_seen.arrived(f"prompt={prompt}&edits=2-3", headers, HOST)
    return {"edits": ["2-3"], "prompt": [prompt]}


@pytest.mark.parametrize(
    ("headers", "waits"),
    [
        ({"sec-fetch-site": "cross-site"}, True),
        ({"sec-fetch-site": "same-site"}, True),  # another port of this machine
        ({"sec-fetch-site": "none"}, False),
        ({"sec-fetch-site": "same-origin"}, False),
        ({"sec-fetch-site": "cross-site", "sec-fetch-dest": "image"}, False),  # a picture opens no page
        ({"referer": "http://evil.example/"}, True),
        ({}, True),
        ({"referer": f"http://{HOST}/hydra?prompt=x"}, False),
        ({"sec-fetch-site": "cross-site", "referer": f"http://{HOST}/"}, True),
    ],
)
def test_who_led_here_decides(headers, waits):
    assert links_seen.waits(arrive(headers)) is waits


def test_once_opened_it_never_waits_again_and_others_still_do():
    first, second = arrive({"sec-fetch-site": "cross-site"}), arrive({"sec-fetch-site": "cross-site"})
    links_seen.welcome(first)
    links_seen.arrived(f"prompt={first['prompt'][0]}&edits=2-3", {"sec-fetch-site": "cross-site"}, HOST)
    assert not links_seen.waits(first) and links_seen.waits(second)


def test_no_way_of_writing_the_same_address_gets_past():
    prompt = uuid4().hex
    for query in (f"edits=2%2D3&prompt={prompt}&embed=true", f"Embed_Options=x&prompt={prompt}&edits=2-3"):
        links_seen.arrived(query, {"sec-fetch-site": "cross-site"}, HOST)
        assert links_seen.waits({"prompt": (prompt,), "edits": ("2-3",)})


def test_an_address_without_settings_is_nobodys_concern():
    links_seen.arrived("", {"sec-fetch-site": "cross-site"}, HOST)
    assert not links_seen.waits({})
