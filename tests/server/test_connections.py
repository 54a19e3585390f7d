"""Limits of connections: idle, flooding, slow and silent clients."""

from __future__ import annotations

import contextlib
import itertools
import json
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs
import httpx2
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.frames import Frame as WebSocketFrame
from websockets.frames import Opcode
from websockets.sync.client import connect

import fitsense
from fitsense.events.schema import validate
from fitsense.server import run as running_module
from fitsense.server.api.wire import Format, pack
from fitsense.server.config import Limits, ServeConfig
from fitsense.server.engine.batch_worker import BatchWorker
from fitsense.server.security import Tokens
from tests.helpers.live_server import PATIENCE_S, Running, ended, process, serving, until
from tests.server.api.test_websocket import FINISH, opened, rest, split

TOKEN = "a-token.that_is-long~enough"
HEALTH = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
UPGRADE = b"Host: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
KEY = b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"


def connections(running: Running) -> list[Any]:
    """The server's ends of its connections."""
    assert running.server is not None
    return list(running.server.server_state.connections)


@contextlib.contextmanager
def raw(running: Running, data: bytes = b"") -> Iterator[socket.socket]:
    """A client that knows no protocol."""
    with socket.create_connection(("127.0.0.1", running.port), PATIENCE_S) as client:
        client.sendall(data)
        yield client


def everything(client: socket.socket) -> bytes:
    """Receive messages until the server closes."""
    received = []
    with contextlib.suppress(ConnectionResetError):
        while data := client.recv(1 << 16):
            received.append(data)
    return b"".join(received)


def frame(opcode: Opcode, data: bytes = b"", *, fin: bool = True) -> bytes:
    """A client's WebSocket frame."""
    return WebSocketFrame(opcode, data, fin).serialize(mask=True)


@contextlib.contextmanager
def raw_websocket(running: Running) -> Iterator[socket.socket]:
    """A client with the WebSocket of a new session."""
    session = opened(running)["id"].encode()
    with raw(running, b"GET /v1/sessions/" + session + b"/frames HTTP/1.1\r\n" + UPGRADE + KEY + b"\r\n") as client:
        assert client.recv(1 << 16).startswith(b"HTTP/1.1 101")
        yield client


def test_connection_any_protocol_sends_small_responses_immediately(running: Running, client: httpx2.Client) -> None:
    session = client.post("/v1/sessions", json={}).json()["id"]
    with connect(running.websocket(session)):
        ends = [one.transport.get_extra_info("socket") for one in connections(running)]
        options = [end.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) for end in ends]
    assert len(options) >= 2
    assert all(options)


def test_connection_idle_makes_room_for_new_ones(model: fitsense.Model) -> None:
    limits = Limits(connections=4)
    with serving(model, ServeConfig(limits=limits), Tokens([TOKEN])) as running, contextlib.ExitStack() as stack:
        idle = [stack.enter_context(raw(running)) for _ in range(150)]
        with running.client(headers={"authorization": f"Bearer {TOKEN}"}) as client:
            assert client.get("/healthz").status_code == 200
            assert client.get("/v1/sessions").status_code == 200
        # The oldest are closed, and the newest still there.
        assert everything(idle[0]) == b""
        idle[-1].sendall(HEALTH)
        assert idle[-1].recv(1 << 16).startswith(b"HTTP/1.1 200")
        assert len(connections(running)) <= limits.connections + 64 + 1


@pytest.mark.parametrize("sent", [b"", b"GET /healthz HTT", HEALTH + b"G"])
def test_connection_incomplete_request_is_closed(sent: bytes, model: fitsense.Model) -> None:
    with serving(model, ServeConfig(limits=Limits(request_s=0.2))) as running, raw(running, sent) as client:
        received = everything(client)
        assert received.startswith(b"HTTP/1.1 200") if sent.startswith(HEALTH) else received == b""
        until(lambda: not connections(running))


def test_connection_client_receives_nothing_is_dropped(model: fitsense.Model) -> None:
    limits = Limits(send_s=0.2, requests_per_s=100_000)
    asked = b"GET /playground/app.js HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    with serving(model, ServeConfig(limits=limits)) as running, raw(running) as client:
        client.settimeout(0.05)

        def sends_and_is_dropped() -> bool:
            try:
                client.sendall(asked * 100)
            except TimeoutError:
                return False
            except OSError:
                return True
            return False

        until(sends_and_is_dropped)
        until(lambda: not connections(running))


def test_requests_over_limit_are_refused_except_health(model: fitsense.Model) -> None:
    with serving(model, ServeConfig(limits=Limits(connections=3))) as running, running.client() as client:
        sessions = [opened(running)["id"] for _ in range(2)]
        with contextlib.ExitStack() as stack:
            for session in (*sessions, sessions[0]):
                stack.enter_context(connect(running.websocket(session)))
            answer = client.get("/v1/sessions")
            assert answer.status_code == 503
            validate(answer.json(), "server.problem")
            assert "at most 3 concurrent requests" in answer.json()["detail"]
            with pytest.raises(InvalidStatus) as refused:
                connect(running.websocket(sessions[0]), legacy=True)
            assert refused.value.response.status_code == 503
            assert client.get("/healthz").status_code == 200
        until(lambda: client.get("/v1/sessions").status_code == 200)


FLOODS: dict[str, tuple[bytes, bytes]] = {
    "pings": (b"", frame(Opcode.PING, b"x" * 125)),
    "empty pings": (b"", frame(Opcode.PING)),
    "pongs": (b"", frame(Opcode.PONG)),
    "empty continuation frames": (frame(Opcode.BINARY, fin=False), frame(Opcode.CONT, fin=False)),
    "small continuation frames": (frame(Opcode.TEXT, b"a", fin=False), frame(Opcode.CONT, b"a", fin=False)),
}


@pytest.mark.parametrize("kind", FLOODS)
def test_websocket_flood_of_empty_frames_is_refused(kind: str, running: Running) -> None:
    begin, repeated = FLOODS[kind]
    with raw_websocket(running) as client:
        client.sendall(begin)
        with contextlib.suppress(ConnectionError):
            client.sendall(repeated * 4000)
        everything(client)
    with running.client() as other:
        assert other.get("/healthz").status_code == 200


def test_websocket_flood_is_closed_with_its_code(running: Running) -> None:
    with raw_websocket(running) as client:
        # No more than are handled before the server closes, which otherwise resets the connection.
        client.sendall(frame(Opcode.PONG) * 1300)
        assert everything(client).endswith(b"\x03\xf0too many small frames")


def test_websocket_message_in_many_fragments_is_accepted(running: Running, jpegs: list[tuple[float, bytes]]) -> None:
    message = pack(Format.IMAGE, *jpegs[0])
    session = opened(running)
    with connect(running.websocket(session["id"])) as socket_:
        socket_.send([message[at : at + 1024] for at in range(0, len(message), 1024)])
        for _ in range(50):
            socket_.ping()
        socket_.send(FINISH)
        events, problems = split(rest(socket_))
    assert not problems
    assert ended(events)["frames"] == 1


class Gate:
    """Holds the worker of a server until it is opened."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.held = threading.Event()
        self._open = threading.Event()
        work = BatchWorker._work

        def waiting(worker: BatchWorker) -> None:
            self.held.set()
            self._open.wait(PATIENCE_S)
            work(worker)

        monkeypatch.setattr(BatchWorker, "_work", waiting)

    def open(self) -> None:
        self._open.set()


def test_websocket_keepalive_server_not_reading_keeps_client(
    model: fitsense.Model, jpegs: list[tuple[float, bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running_module, "_PING_INTERVAL_S", 0.05)
    monkeypatch.setattr(running_module, "_PING_TIMEOUT_S", 0.1)
    gate = Gate(monkeypatch)
    limits = Limits(queue_size=2)
    with serving(model, ServeConfig(limits=limits)) as running:
        session = opened(running, policy="all")
        with connect(running.websocket(session["id"]), ping_interval=None) as client:
            for time_s, content in jpegs[:8]:
                client.send(pack(Format.IMAGE, time_s, content))
            client.send(FINISH)
            (end,) = (one for one in connections(running) if hasattr(one, "ping_timeout"))
            # A ping's deadline passes, again and again, while what the client sent is not read.
            until(lambda: end.read_paused and end.pong_timer is not None)
            passed: list[float] = []
            timeout = end.keepalive_timeout

            def noting() -> None:
                passed.append(end.loop.time())
                timeout()

            monkeypatch.setattr(end, "keepalive_timeout", noting)
            until(lambda: len(passed) >= 3)
            gate.open()
            events, problems = split(rest(client))
    assert not problems
    assert ended(events)["frames"] == 8


def test_websocket_keepalive_silent_client_is_closed(model: fitsense.Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running_module, "_PING_INTERVAL_S", 0.05)
    monkeypatch.setattr(running_module, "_PING_TIMEOUT_S", 0.1)
    with serving(model) as running, raw_websocket(running) as client:
        assert everything(client).endswith(b"\x03\xf3keepalive ping timeout")


def test_session_finished_slow_analysis_runs_to_its_end(
    model: fitsense.Model, jpegs: list[tuple[float, bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate(monkeypatch)
    # Long enough for a busy machine to push the frames before the session is idle.
    with serving(model, ServeConfig(limits=Limits(idle_s=2.0))) as running, running.client() as client:
        session = opened(running)
        address = f"/v1/sessions/{session['id']}"
        with connect(running.websocket(session["id"])) as pushing:
            for time_s, content in jpegs[:20]:
                pushing.send(pack(Format.IMAGE, time_s, content))
            pushing.send(FINISH)
            until(lambda: client.get(address).json()["state"] == "ending")
            # Another one, idle for as long, is ended; it is asked to end after the first one was looked at.
            idle = client.post("/v1/sessions", json={}).json()["id"]
            until(lambda: client.get(f"/v1/sessions/{idle}").json()["state"] == "ending")
            gate.open()
            events, _ = split(rest(pushing))
        data = ended(events)
        assert (data["reason"], data["frames"]) == ("finished", 20)
        until(lambda: client.get(f"/v1/sessions/{idle}").json()["reason"] == "interrupted")


# One request at once, and the next after three seconds.
RARE = Limits(requests_per_s=0.34)


def test_guard_requests_without_token_do_not_use_clients_rate(model: fitsense.Model) -> None:
    known = {"authorization": f"Bearer {TOKEN}"}
    with serving(model, ServeConfig(limits=RARE), Tokens([TOKEN])) as running, running.client() as client:
        assert client.get("/v1/sessions").status_code == 401
        until(lambda: client.get("/v1/sessions").status_code == 429)
        assert client.get("/v1/sessions", headers=known).status_code == 200


@pytest.mark.parametrize("trusted", [True, False])
def test_guard_trusted_proxy_counts_forwarded_address(trusted: bool, model: fitsense.Model) -> None:
    config = ServeConfig(limits=RARE, proxies=("127.0.0.0/8",) if trusted else ("10.0.0.0/8", "fd00::/8"))
    numbers = itertools.count()

    def get() -> int:
        # Clients may write what they like before what the proxy writes.
        forwarded = {"x-forwarded-for": f"198.51.100.7, 203.0.113.{next(numbers)}"}
        return client.get("/v1/sessions", headers=forwarded).status_code

    with serving(model, config) as running, running.client() as client:
        assert get() == 200
        if trusted:
            assert [get() for _ in range(5)] == [200] * 5
        else:
            until(lambda: get() == 429)


def test_config_invalid_proxy_is_refused() -> None:
    for proxies in (("*",), ("proxy.example",), ("10.0.0.1/8",)):
        with pytest.raises(fitsense.InvalidInputError, match="proxies: expected addresses or networks such as"):
            ServeConfig(proxies=proxies)


REFUSED: dict[str, tuple[Callable[[bytes], bytes], int]] = {
    "unknown session": (lambda path: b"GET /v1/sessions/none/frames HTTP/1.1\r\n" + UPGRADE + KEY, 404),
    "unknown path": (lambda path: b"GET /nope HTTP/1.1\r\n" + UPGRADE + KEY, 404),
    "a path of HTTP": (lambda path: b"GET /healthz HTTP/1.1\r\n" + UPGRADE + KEY, 404),
    "a query that is none": (lambda path: b"GET " + path + b"?after=x HTTP/1.1\r\n" + UPGRADE + KEY, 422),
    "another's origin": (
        lambda path: b"GET " + path + b" HTTP/1.1\r\nOrigin: https://evil.example\r\n" + UPGRADE + KEY,
        403,
    ),
    "another host": (
        lambda path: b"GET " + path + b" HTTP/1.1\r\n" + UPGRADE.replace(b"127.0.0.1", b"evil.example") + KEY,
        403,
    ),
    "no key": (lambda path: b"GET " + path + b" HTTP/1.1\r\n" + UPGRADE, 400),
    "another version": (lambda path: b"GET " + path + b" HTTP/1.1\r\n" + UPGRADE + KEY.replace(b"13", b"8"), 400),
    "too long a line": (lambda path: b"GET " + path + b"?" + b"a" * 9000 + b" HTTP/1.1\r\n" + UPGRADE + KEY, 400),
    "too many headers": (lambda path: b"GET " + path + b" HTTP/1.1\r\n" + UPGRADE + KEY + b"A: b\r\n" * 200, 400),
    "no GET": (
        lambda path: b"POST " + path + b" HTTP/1.1\r\n" + UPGRADE.replace(b"Upgrade\r\n", b"Upgrade, close\r\n") + KEY,
        404,
    ),
    "no HTTP": (lambda path: b"hello", 400),
}


def test_websocket_refused_gets_problem_and_logs_no_error(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with process(environment={"FITSENSE_TOKENS": ""}, log=log) as (running, child):
        with running.client() as client:
            until(lambda: client.get("/readyz").status_code == 200)
        path = f"/v1/sessions/{opened(running)['id']}/frames".encode()
        for kind, (request, status) in REFUSED.items():
            with raw(running, request(path) + b"\r\n\r\n") as client:
                head, _, body = everything(client).partition(b"\r\n\r\n")
            assert head.split()[1] == str(status).encode(), kind
            assert b"nosniff" in head, kind
            document = json.loads(body)
            validate(document, "server.problem")
            assert document["status"] == status
            # And a client that has gone before it is refused.
            with raw(running, request(path) + b"\r\n\r\n"):
                pass
        for bad in (frame(Opcode.TEXT, b"\xff\xfe"), b"\x81\x02hi", frame(Opcode.CONT, b"x"), b"\xf1\x80\0\0\0\0"):
            with raw_websocket(running) as client:
                client.sendall(bad)
                assert everything(client)[:1] == b"\x88"
        with contextlib.suppress(ConnectionClosed), connect(running.websocket(path.split(b"/")[3].decode())) as gone:
            gone.socket.close()
        child.terminate()
        assert child.wait(PATIENCE_S) == 0
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert lines
    assert not [line for line in lines if line["level"] in ("error", "critical") or "error" in line]


def test_server_connection_limits_come_from_config() -> None:
    assert attrs.asdict(Limits())["request_s"] == 10.0
