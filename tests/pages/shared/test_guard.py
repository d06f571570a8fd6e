"""Who may ask the server, and what every answer says, on a small application of its own."""

from __future__ import annotations

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect
from streamlit import config

from pages.shared import links_seen
from pages.shared.guard import HEADERS, REFUSED, Guard, is_allowed, only_this_machine, same_server


async def page(request):
    return PlainTextResponse("the page", headers={"x-frame-options": "SAMEORIGIN"} if "own" in request.url.path else {})


async def stream(socket):
    await socket.accept()
    await socket.send_text("open")
    await socket.close()


@pytest.fixture
def client(monkeypatch):
    config.set_option("server.allowedHosts", ["localhost", "127.0.0.1"])
    routes = [Route("/", page), Route("/own", page), WebSocketRoute("/stream", stream)]
    yield TestClient(Starlette(routes=routes, middleware=[Middleware(Guard)]), base_url="http://localhost:8501")


def test_every_answer_forbids_frames_and_fixes_its_type(client):
    answer = client.get("/")
    assert answer.status_code == 200 and answer.text == "the page"
    for name, value in HEADERS.items():
        assert answer.headers[name] == value
    assert client.get("/own").headers["x-frame-options"] == "SAMEORIGIN", "what an answer says itself stays"


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example:8501", "127.0.0.2:8501", "", "[::1"])
def test_another_name_gets_no_page(client, host):
    answer = client.get("/", headers={"host": host})
    assert answer.status_code == 421 and answer.text == REFUSED and "\n" not in REFUSED


@pytest.mark.parametrize("origin", [None, "http://localhost:8501"])
def test_the_servers_own_pages_and_programs_open_the_socket(client, origin):
    headers = {"host": "localhost:8501"} | ({"origin": origin} if origin else {})
    with client.websocket_connect("/stream", headers=headers) as socket:
        assert socket.receive_text() == "open"


@pytest.mark.parametrize("origin", ["http://localhost:8502", "http://127.0.0.1:8501", "https://evil.example", "null"])
def test_pages_of_other_servers_and_ports_do_not(client, origin):
    headers = {"host": "localhost:8501", "origin": origin}
    with pytest.raises(WebSocketDisconnect), client.websocket_connect("/stream", headers=headers):
        pass


def test_hosts_are_compared_by_name_on_any_port():
    assert is_allowed("LOCALHOST:9000", ["localhost"]) and is_allowed("audit.lab:80", ["audit.lab:8501"])
    assert not is_allowed("audit.lab", ["localhost"])
    assert is_allowed("anything", []) and is_allowed("anything", ["*"]) and is_allowed("anything", None)
    assert same_server("http://LocalHost:8501", "localhost:8501") and not same_server(
        "http://localhost", "localhost:8501"
    )


def test_it_notes_who_was_led_here_from_elsewhere(client):
    client.get("/?prompt=from+a+site", headers={"Sec-Fetch-Site": "cross-site"})
    client.get("/?prompt=typed", headers={"Sec-Fetch-Site": "none"})
    assert links_seen.waits({"prompt": ["from a site"]}) and not links_seen.waits({"prompt": ["typed"]})


@pytest.mark.parametrize(
    ("address", "allowed", "here"),
    [
        ("127.0.0.1", ["localhost", "127.0.0.1"], True),
        ("::1", ["localhost"], True),
        (None, ["localhost"], False),
        ("0.0.0.0", ["localhost"], False),
        ("127.0.0.1", ["localhost", "audit.example"], False),
        ("127.0.0.1", [], False),
    ],
)
def test_who_can_reach_the_pages(monkeypatch, address, allowed, here):
    options = {"server.address": address, "server.allowedHosts": allowed}
    monkeypatch.setattr(config, "get_option", options.__getitem__)
    assert only_this_machine() is here
