"""Pictures pushed over a WebSocket, with a real server."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import Any

import attrs
import av
import numpy as np
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

import fitsense
from fitsense.events.model import Event
from fitsense.events.schema import validate, validate_event
from fitsense.server.api.wire import Format, pack, parse
from fitsense.server.config import Limits, ServeConfig
from fitsense.server.engine.frame_decoder import Decoder
from fitsense.session.config import EPOCH
from fitsense.synthetic.figures import FigureVideo
from fitsense.types import Frame
from tests.helpers.live_server import PATIENCE_S, Running, ended, serving, until
from tests.server.conftest import image

FINISH = json.dumps({"op": "finish"})
START = "2026-01-01T00:00:00Z"
FRAMES = 40


def opened(running: Running, **request: Any) -> dict[str, Any]:
    with running.client() as client:
        session: dict[str, Any] = client.post("/v1/sessions", json=request).json()
        return session


def rest(socket: ClientConnection) -> list[dict[str, Any]]:
    """Receive messages until the server closes."""
    received = []
    try:
        while True:
            received.append(json.loads(socket.recv(PATIENCE_S)))
    except ConnectionClosed:
        return received


def split(received: Iterable[dict[str, Any]]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Events and problems, each of which obeys its schema."""
    events, problems = [], []
    for one in received:
        if "specversion" in one:
            validate_event(one)
            events.append(one)
        else:
            validate(one, "server.problem")
            problems.append(one)
    return events, problems


def alone(model: fitsense.Model, session: dict[str, Any], messages: Iterable[bytes]) -> list[dict[str, Any]]:
    """The events of a session of this process for the same messages."""
    started_at = EPOCH.replace(year=2026)
    config = fitsense.SessionConfig(source=session["event_source"], started_at=started_at)
    one, decoder = fitsense.Session(model, config), Decoder(model.short_side, 1.0, 10_000_000)
    events: list[Event] = []
    for message in messages:
        for frame in decoder.decode(parse(message)):
            events += one.push(frame)
    for frame in decoder.flush():
        events += one.push(frame)
    return [event.to_dict() for event in [*events, *one.finish()]]


def encoded(frames: Iterable[Frame], codec: str, kind: Format) -> list[bytes]:
    """Frames as one message each."""
    encoder = av.CodecContext.create(codec, "w")
    assert isinstance(encoder, av.VideoCodecContext)
    messages = []

    def put(picture: av.VideoFrame | None) -> None:
        for packet in encoder.encode(picture):
            assert packet.pts is not None
            messages.append(pack(kind, packet.pts / 1e6, bytes(packet)))

    for frame in frames:
        height, width = frame.rgb.shape[:2]
        if not encoder.is_open:
            encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuv420p"
            encoder.time_base, encoder.framerate = Fraction(1, 1_000_000), Fraction(10)
            encoder.options = {"tune": "zerolatency"} if kind is Format.H264 else {"deadline": "realtime"}
        picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame.rgb), format="rgb24")
        picture.pts, picture.time_base = round(frame.time_s * 1e6), encoder.time_base
        put(picture)
    put(None)
    return messages


@pytest.fixture(scope="module")
def pushed(squats: FigureVideo, jpegs: list[tuple[float, bytes]]) -> dict[str, list[bytes]]:
    """Messages of some squats, in each format."""
    frames = list(squats)[:FRAMES]
    return {
        "jpeg": [pack(Format.IMAGE, time_s, content) for time_s, content in jpegs[:FRAMES]],
        "webp": [pack(Format.IMAGE, frame.time_s, image(frame.rgb, "WEBP")) for frame in frames],
        "h264": encoded(frames, "libx264", Format.H264),
        "vp8": encoded(frames, "libvpx", Format.VP8),
    }


@pytest.mark.parametrize("kind", ["jpeg", "webp", "h264", "vp8"])
def test_websocket_pushed_frames_give_events_of_local_session(
    kind: str, running: Running, model: fitsense.Model, pushed: dict[str, list[bytes]]
) -> None:
    session = opened(running, started_at=START, policy="all")
    with connect(running.websocket(session["id"])) as socket:
        for message in pushed[kind]:
            socket.send(message)
        socket.send(FINISH)
        events, problems = split(rest(socket))
        assert socket.close_code == 1000
    assert not problems
    assert ended(events)["frames"] == FRAMES
    assert events == alone(model, session, pushed[kind])
    assert "squat" in json.dumps(events)


def test_websocket_invalid_message_is_refused_and_session_continues(
    running: Running, pushed: dict[str, list[bytes]]
) -> None:
    jpeg = pushed["jpeg"][0]
    large = image(np.zeros((3000, 3000, 3), np.uint8), "JPEG")
    narrow = image(np.zeros((2, 300, 3), np.uint8), "JPEG")
    wrong: dict[bytes | str, tuple[str, str]] = {
        b"": ("picture-refused", "a header of 10 bytes and a picture, got 0 bytes"),
        jpeg[:10]: ("picture-refused", "got 10 bytes"),
        b"\2" + jpeg[1:]: ("picture-refused", "expected version 1, got 2"),
        b"\1\0" + jpeg[2:]: ("picture-refused", "1 (IMAGE), 2 (H264), 3 (VP8), got 0"),
        b"\1\1" + b"\x7f" * 8 + jpeg[10:]: ("picture-refused", "expected a timestamp within"),
        jpeg[:60]: ("picture-refused", "cannot be decoded"),
        b"\1\2" + jpeg[2:]: ("picture-refused", "expected H264, which begins with a key frame"),
        pushed["h264"][1]: ("picture-refused", "expected H264, which begins with a key frame"),
        b"\1\3" + jpeg[2:]: ("picture-refused", "expected VP8, which begins with a key frame"),
        pack(Format.IMAGE, 0.0, large): ("picture-refused", "expected at most 8294400 pixels, got 3000 x 3000"),
        pack(Format.IMAGE, 0.0, narrow): ("picture-refused", "a long side of at most 16 short ones"),
        "{": ("malformed-request", "expected JSON"),
        "null": ("invalid-request", 'expected {"op": "finish"}'),
        '{"op": "stop"}': ("invalid-request", 'expected {"op": "finish"}'),
    }
    session = opened(running)
    with connect(running.websocket(session["id"])) as socket:
        for message, (kind, words) in wrong.items():
            socket.send(message)
            _, (problem,) = split([json.loads(socket.recv(PATIENCE_S))])
            assert problem["type"] == f"urn:fitsense:problem:{kind}"
            assert words in problem["detail"]
        socket.send(jpeg)
        socket.send(FINISH)
        events, _ = split(rest(socket))
    assert ended(events)["frames"] == 1


def test_websocket_large_message_ends_connection_not_session(running: Running) -> None:
    session = opened(running)
    # A client that continues to send may see a reset before the close code, 1009.
    with contextlib.suppress(ConnectionClosed), connect(running.websocket(session["id"])) as socket:
        socket.send(b"\1" * ((4 << 20) + 20))
        assert rest(socket) == []
        assert socket.close_code == 1009
    with running.client() as client:
        assert client.get(f"/v1/sessions/{session['id']}").json()["state"] == "open"


def test_websocket_lost_connection_is_taken_over(running: Running, pushed: dict[str, list[bytes]]) -> None:
    session = opened(running, policy="all")
    with connect(running.websocket(session["id"])) as first:
        for message in pushed["jpeg"][:30]:
            first.send(message)
        known = [json.loads(first.recv(PATIENCE_S)) for _ in range(2)]
        # The server does not know yet that the first connection is lost.
        with connect(running.websocket(session["id"], f"?after={known[-1]['id']}")) as socket:
            for message in pushed["jpeg"][30:]:
                socket.send(message)
            rest(first)
            assert first.close_code == 4409
            socket.send(FINISH)
            events, problems = split([*known, *rest(socket)])
    assert not problems
    # What the first had under way when the other came may be lost.
    assert FRAMES - 10 <= ended(events)["frames"] <= FRAMES


def test_websocket_queued_pictures_of_closed_connection_do_not_take_over(
    model: fitsense.Model, pushed: dict[str, list[bytes]]
) -> None:
    # One message a second.
    limits = attrs.evolve(Limits(), rate_hz=1.0)
    with serving(model, ServeConfig(limits=limits)) as running:
        session = opened(running, policy="all")
        with connect(running.websocket(session["id"], "?events=false")) as lost:
            lost.send("{}")
            lost.recv(PATIENCE_S)
            # It waits for its turn when the connection is closed already.
            lost.send(pushed["jpeg"][0])
        with connect(running.websocket(session["id"])) as socket:
            socket.send(pushed["jpeg"][1])
            socket.send(FINISH)
            events, problems = split(rest(socket))
            assert socket.close_code == 1000
    assert not problems
    assert ended(events)["reason"] == "finished"


def test_websocket_without_events_or_into_source_sends_none(running: Running, pushed: dict[str, list[bytes]]) -> None:
    session = opened(running, source="videos/in.mp4")
    with connect(running.websocket(session["id"], "?events=false")) as socket:
        for message in (pushed["jpeg"][0], FINISH):
            socket.send(message)
            (problem,) = split([json.loads(socket.recv(PATIENCE_S))])[1]
            assert problem["type"] == "urn:fitsense:problem:conflict"
        assert rest(socket) == []
        assert socket.close_code == 1000


@pytest.mark.parametrize("query", ["?after=x", "?after=7", "?events=no"])
def test_websocket_invalid_handshake_is_refused(query: str, running: Running) -> None:
    session = opened(running)
    with pytest.raises(InvalidStatus) as refused:
        connect(running.websocket(session["id"], query))
    assert refused.value.response.status_code == 422
    with pytest.raises(InvalidStatus) as refused:
        connect(running.websocket("none"))
    assert refused.value.response.status_code == 404
    validate(json.loads(refused.value.response.body or b""), "server.problem")


def test_websocket_fast_push_reports_dropped_frames(
    model: fitsense.Model, videos: Path, pushed: dict[str, list[bytes]]
) -> None:
    limits = attrs.evolve(Limits(), queue_size=4, rate_hz=10_000.0)
    messages = [pack(Format.IMAGE, number / 100, pushed["jpeg"][number // 4][10:]) for number in range(150)]
    config = ServeConfig(sources={"videos": str(videos)}, limits=limits)
    with serving(model, config) as running, running.client() as client:
        # Other sessions, each with a window in every round.
        others = [opened(running, source="videos/in.mp4", hop_s=0.1)["id"] for _ in range(3)]
        until(lambda: client.get(f"/v1/sessions/{others[-1]}").json()["frames"] > 26)
        session = opened(running)
        with connect(running.websocket(session["id"])) as socket:
            began_s = time.monotonic()
            for number, message in enumerate(messages):
                time.sleep(max(0.0, began_s + number / 100 - time.monotonic()))
                socket.send(message)
            socket.send(FINISH)
            for other in others:
                client.delete(f"/v1/sessions/{other}")
            events, _ = split(rest(socket))
        shown = client.get(f"/v1/sessions/{session['id']}").json()
        figures = client.get("/metrics").text
    dropped = [event["data"] for event in events if event["data"].get("code") == "dropped_frames"]
    assert dropped
    assert shown["frames"] + shown["dropped_frames"] == len(messages)
    # Some came too soon after another to be looked at.
    assert 0 < ended(events)["frames"] < shown["frames"]
    assert sum(int(one["message"].split()[0]) for one in dropped) == shown["dropped_frames"]
    assert f"fitsense_dropped_frames_total {shown['dropped_frames']}.0" in figures


def test_websocket_client_receives_nothing_others_continue(running: Running, pushed: dict[str, list[bytes]]) -> None:
    silent = opened(running)
    with contextlib.ExitStack() as stack:
        dead = [stack.enter_context(connect(running.websocket(silent["id"]))) for _ in range(3)]
        client = stack.enter_context(running.client())
        stack.enter_context(client.stream("GET", f"/v1/sessions/{silent['id']}/events"))
        for message in pushed["jpeg"][:20]:
            dead[0].send(message)
        session = opened(running)
        with connect(running.websocket(session["id"])) as socket:
            for message in pushed["jpeg"][:35]:
                socket.send(message)
            socket.send(FINISH)
            assert ended(split(rest(socket))[0])["windows"] >= 1
        # As a machine that is switched off: not even a goodbye.
        for one in dead:
            one.socket.close()
    with running.client() as client:
        assert client.delete(f"/v1/sessions/{silent['id']}").json()["reason"] == "finished"
