"""What the server does with its connections, whatever is sent through them."""

from __future__ import annotations

import socket

import httpx2
from websockets.sync.client import connect

from tests.server.running import Running


def sockets(running: Running) -> list[socket.socket]:
    """The server's ends of its connections."""
    assert running.server is not None
    return [
        connection.transport.get_extra_info("socket") for connection in list(running.server.server_state.connections)
    ]


def test_a_connection_of_any_protocol_sends_small_answers_at_once(running: Running, client: httpx2.Client) -> None:
    session = client.post("/v1/sessions", json={}).json()["id"]
    with connect(running.websocket(session)):
        options = [end.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) for end in sockets(running)]
    assert len(options) >= 2
    assert all(options)
