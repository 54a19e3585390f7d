"""The Python clients against a real server process, and against answers of a bad network."""

from __future__ import annotations

import io
import json
import socket
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import attrs
import httpx2
import pytest

import fitsense
from fitsense.client import (
    ClosedError,
    ConnectionError,
    FitsenseEvent,
    OtherEvent,
    Problem,
    ProblemError,
    Retries,
    Session,
    pack,
)
from fitsense.client._wire import Resumption
from fitsense.events.model import Event, SessionEnded
from fitsense.events.schema import schema
from fitsense.server.api import wire
from tests.client.drivers import Asynchronous, Blocking, Driver
from tests.helpers.live_server import Running, process, until

TOKEN = "a-token-for-the-client"
CONFIG = 'bundles = ["gym-video"]\nbatch = 1\n[limits]\nsessions = 64\nrequests_per_s = 1000\nrate_hz = 1000\n'
QUICK = Retries(first_s=0.0, max_s=0.0, attempts=3)
HOST = "http://server.example"


@pytest.fixture(scope="module")
def server(squats_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """``fitsense serve`` as a process, with a token and a video."""
    folder = tmp_path_factory.mktemp("serve")
    (folder / "serve.toml").write_text(CONFIG)
    arguments = ("--config", str(folder / "serve.toml"), "--source", f"videos={squats_file.parent}")
    with process(*arguments, environment={"FITSENSE_TOKENS": TOKEN}, log=folder / "log") as (running, _):
        yield running


@pytest.fixture(scope="module")
def analysed(server: Running, squats_file: Path) -> tuple[str, list[FitsenseEvent]]:
    """A session of the server that has ended, and its events."""
    driver = Blocking(server.url, token=TOKEN)
    session = driver.create_session(source=f"videos/{squats_file.name}", hop_s=0.5, policy="all")
    assert (session.mode, session.state, session.hop_s) == ("source", "open", 0.5)
    events = driver.events(session.id)
    driver.close()
    return session.id, events


Open = Callable[..., Driver]


@pytest.fixture(params=[Blocking, Asynchronous], ids=["blocking", "asyncio"])
def open_client(request: pytest.FixtureRequest) -> Iterator[Open]:
    """Opens clients, which are closed at the end."""
    drivers: list[Driver] = []

    def opened(url: str, **more: Any) -> Driver:
        drivers.append(request.param(url, **more))
        return drivers[-1]

    yield opened
    for driver in drivers:
        driver.close()


@pytest.fixture
def client(open_client: Open, server: Running) -> Driver:
    """A client of the real server."""
    return open_client(server.url, token=TOKEN, retries=QUICK)


def assert_complete(events: list[FitsenseEvent]) -> SessionEnded:
    """Events of a whole session, none missing; gives the last one's data."""
    assert [int(event.id) for event in events] == list(range(len(events)))
    assert all(isinstance(event, Event) for event in events)
    data = events[-1].data
    assert isinstance(data, SessionEnded)
    return data


def kind_of(error: pytest.ExceptionInfo[ProblemError]) -> str:
    assert error.value.problem.detail in str(error.value)
    return error.value.problem.type.removeprefix("urn:fitsense:problem:")


def test_events_of_a_session_are_complete_and_repeatable(
    client: Driver, analysed: tuple[str, list[FitsenseEvent]]
) -> None:
    id, events = analysed
    assert assert_complete(events).reason == "finished"
    assert {event.type for event in events} >= {"fitsense.exercise.started", "fitsense.repetition.completed"}
    assert client.events(id) == events
    assert client.events_so_far(id) == events
    assert client.events(id, after=events[2].id) == events[3:]
    assert client.events_so_far(id, after=events[2].id) == events[3:]
    assert client.events(id, after=events[-1].id) == []
    assert client.session(id).events == len(events)


def test_events_over_lost_connections_come_once(
    open_client: Open, server: Running, analysed: tuple[str, list[FitsenseEvent]]
) -> None:
    id, events = analysed
    cut = open_client(server.url, token=TOKEN, retries=QUICK, cuts=[0, 20, 1500, 4000, 900, 2500])
    assert cut.events(id) == events
    resumed = [after for request in cut.requests if (after := request.headers.get("last-event-id"))]
    assert len(cut.requests) > 4
    assert "last-event-id" not in cut.requests[0].headers
    assert resumed == sorted(resumed)
    assert len(set(resumed)) > 1


def test_events_after_early_exit_can_be_resumed(client: Driver, analysed: tuple[str, list[FitsenseEvent]]) -> None:
    id, events = analysed
    first = client.first_events(id, 3)
    assert first + client.events(id, after=first[-1].id) == events


def test_sessions_are_opened_listed_ended_and_removed(client: Driver) -> None:
    region = fitsense.Region(0.0, 0.0, 0.5, 1.0)
    opened = client.create_session(region=region, started_at=datetime(2030, 1, 1, tzinfo=UTC))
    assert (opened.mode, opened.state, opened.region) == ("push", "open", region)
    assert opened.id in [session.id for session in client.sessions()]
    over = client.end_session(opened.id)
    assert over is not None
    assert (over.id, over.state, over.reason) == (opened.id, "ended", "finished")
    assert client.end_session(opened.id) is None
    with pytest.raises(ProblemError) as error:
        client.session(opened.id)
    assert kind_of(error) == "unknown-session"


def test_analyze_upload_yields_events(client: Driver, squats_file: Path) -> None:
    region = fitsense.Region(0.0, 0.0, 1.0, 1.0)
    events = client.analyze(squats_file, hop_s=2.0, region=region, started_at="2030-01-01T00:00:00Z")
    assert assert_complete(events).reason == "finished"
    assert isinstance(events[0], Event)
    assert events[0].time == datetime(2030, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("kind", ["path", "text", "bytes", "file", "chunks"])
def test_analyze_accepts_path_bytes_file_and_chunks(open_client: Open, kind: str, tmp_path: Path) -> None:
    content = bytes(range(256)) * 1000
    (tmp_path / "video").write_bytes(content)
    video = {
        "path": tmp_path / "video",
        "text": str(tmp_path / "video"),
        "bytes": content,
        "file": io.BytesIO(content),
        "chunks": [content[:1000], content[1000:]],
    }[kind]
    client = open_client(HOST, answer=answers({"status_code": 200, "text": json.dumps(jumps(1)) + "\n"}))
    request = {
        "hop_s": 0.5,
        "people": True,
        "region": {"left": 0, "top": 0.25, "right": 1, "bottom": 1},
        "bundle": None,
    }
    assert client.analyze(video, **request) == [other_event(1)]
    (sent,) = client.requests
    assert sent.content == content
    assert dict(sent.url.params) == {"hop_s": "0.5", "people": "true", "region": "0,0.25,1,1"}


def test_requests_refused_raise_problem(
    client: Driver, open_client: Open, server: Running, analysed: tuple[str, list[FitsenseEvent]]
) -> None:
    with pytest.raises(ProblemError, match="got nothing") as error:
        client.analyze(b"")
    assert kind_of(error) == "source-refused"
    with pytest.raises(ProblemError) as error:
        client.analyze(b"no video")
    assert kind_of(error) == "source-refused"
    with pytest.raises(ProblemError) as error:
        client.create_session(hop=1)
    assert kind_of(error) == "invalid-request"
    with pytest.raises(ProblemError) as error:
        client.events("none/of/these")
    assert kind_of(error) in ("unknown-session", "not-found")
    with pytest.raises(ProblemError) as error:
        client.events(analysed[0], after="9999999999")
    assert kind_of(error) == "invalid-request"
    with pytest.raises(ProblemError) as error:
        open_client(server.url).sessions()
    assert (kind_of(error), error.value.problem.status) == ("unauthorized", 401)


def test_frames_pushed_pictures_yield_events(client: Driver, jpegs: list[tuple[float, bytes]]) -> None:
    id = client.create_session(hop_s=2.0, policy="all").id
    events, after = client.pushed(id, jpegs)
    assert assert_complete(events).frames == len(jpegs)
    assert after == events[-1].id
    assert client.events_so_far(id) == events


def test_frames_without_events_yield_none(client: Driver, jpegs: list[tuple[float, bytes]]) -> None:
    id = client.create_session().id
    assert client.pushed(id, jpegs[:1], events=False) == ([], None)


def test_frames_damaged_picture_is_reported(client: Driver, jpegs: list[tuple[float, bytes]]) -> None:
    problems: list[Problem] = []
    pictures = [jpegs[0], (0.1, b"no picture"), (0.2, jpegs[1][1])]
    events, _ = client.pushed(client.create_session().id, pictures, on_problem=problems.append)
    assert assert_complete(events).frames == 2
    assert [(problem.type, problem.status) for problem in problems] == [("urn:fitsense:problem:picture-refused", 422)]
    with pytest.raises(ProblemError) as error:
        client.pushed(client.create_session().id, pictures)
    assert kind_of(error) == "picture-refused"


def test_frames_refused_connection_raises_problem(client: Driver, open_client: Open, server: Running) -> None:
    with pytest.raises(ProblemError) as error:
        client.pushed("none", [])
    assert kind_of(error) == "unknown-session"
    with pytest.raises(ProblemError) as error:
        open_client(server.url).pushed(client.create_session().id, [])
    assert error.value.problem.status == 401


def test_blocking_frames_yield_events_while_pushing(server: Running, jpegs: list[tuple[float, bytes]]) -> None:
    driver = Blocking(server.url, token=TOKEN)
    id = driver.create_session(hop_s=2.0, policy="all").id
    events: list[FitsenseEvent] = []
    with driver.client.frames(id) as frames:
        for time_s, picture in jpegs[:30]:
            frames.push(picture, time_s)
            events += frames.received()
        # What a connection had sent before it was lost counts as pushed by it.
        until(lambda: driver.session(id).frames == 30)
    with pytest.raises(ClosedError):
        frames.push(jpegs[0][1], 99.0)
    with driver.client.frames(id, after=frames.after) as again:
        for time_s, picture in jpegs[30:]:
            again.push(picture, time_s)
        again.finish()
        events += again.events()
        with pytest.raises(ClosedError, match="the session has ended"):
            again.push(jpegs[0][1], 99.0)
    assert assert_complete(events).frames == len(jpegs)
    driver.close()


def test_frames_of_another_connection_close_this_one(server: Running, jpegs: list[tuple[float, bytes]]) -> None:
    driver = Blocking(server.url, token=TOKEN)
    id = driver.create_session().id
    with driver.client.frames(id) as first, driver.client.frames(id) as second:
        first.push(jpegs[1][1], 0.1)
        until(lambda: driver.session(id).frames == 1)
        following = first.events()
        next(following)
        second.push(jpegs[2][1], 0.2)
        with pytest.raises(ClosedError) as error:
            list(following)
    assert error.value.code == 4409
    driver.close()


def test_events_missing_server_is_retried(open_client: Open) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        nobody = open_client(url, retries=QUICK)
        with pytest.raises(ConnectionError, match="cannot be reached"):
            nobody.events("any")
        assert len(nobody.requests) == 1 + QUICK.attempts
        with pytest.raises(ConnectionError):
            nobody.sessions()
        with pytest.raises(ConnectionError):
            nobody.pushed("any", [])


def answers(*responses: httpx2.Response | dict[str, Any]) -> Callable[[httpx2.Request], httpx2.Response]:
    """Answers one after the other."""
    left = list(responses)

    def answer(request: httpx2.Request) -> httpx2.Response:
        one = left.pop(0)
        return one if isinstance(one, httpx2.Response) else httpx2.Response(**one)

    return answer


def stream(*messages: str) -> dict[str, Any]:
    return {"status_code": 200, "headers": {"content-type": "text/event-stream"}, "text": "".join(messages)}


def jumps(number: int) -> dict[str, Any]:
    return {"id": str(number), "source": "gym", "type": "jumps.counted", "data": {"name": "Kniebeuge ü 🏋"}}


def other_event(number: int) -> OtherEvent:
    return OtherEvent(str(number), "gym", "jumps.counted", None, {"name": "Kniebeuge ü 🏋"})


def test_events_busy_server_is_retried(open_client: Open) -> None:
    answer = answers(
        {"status_code": 503, "headers": {"retry-after": "0"}},
        {"status_code": 502, "text": "<html>the proxy is sorry</html>"},
        stream(": welcome\nretry: 1\n\n", f"id: 7\ndata: {json.dumps(jumps(7))}\n\n", "data: cut o"),
        {"status_code": 429},
        {"status_code": 204},
    )
    client = open_client(HOST, answer=answer, retries=QUICK)
    assert client.events("any") == [other_event(7)]
    assert [request.headers.get("last-event-id") for request in client.requests] == [None, None, None, "7", "7"]


def test_events_expired_raise_problem(open_client: Open) -> None:
    gone = {"type": "urn:fitsense:problem:events-gone", "title": "Gone", "status": 410, "detail": "slow", "first": 23}
    client = open_client(HOST, answer=answers(stream(f"event: problem\ndata: {json.dumps(gone)}\n\n")), retries=QUICK)
    with pytest.raises(ProblemError) as error:
        client.events("any")
    assert error.value.problem.first == 23


def test_events_invalid_raise_without_retry(open_client: Open) -> None:
    client = open_client(HOST, answer=answers(stream("data: {}\n\n")), retries=QUICK)
    with pytest.raises(fitsense.SchemaError, match="expected a string as 'id'"):
        client.events("any")


def test_events_of_removed_session_end(open_client: Open) -> None:
    ended = {"id": "1", "source": "gym", "type": "fitsense.session.ended", "data": {}}
    unknown = {"type": "urn:fitsense:problem:unknown-session", "title": "Unknown", "status": 404, "detail": "gone"}
    missing = {
        "status_code": 404,
        "headers": {"content-type": "application/problem+json"},
        "content": json.dumps(unknown).encode(),
    }
    client = open_client(HOST, answer=answers(stream(f"data: {json.dumps(ended)}\n\n"), missing), retries=QUICK)
    assert [event.type for event in client.events("any")] == ["fitsense.session.ended"]


def test_base_url_of_proxy_keeps_path(open_client: Open) -> None:
    client = open_client(f"{HOST}/behind/a/proxy", answer=answers({"status_code": 200, "text": '{"sessions": []}'}))
    assert client.sessions() == []
    assert str(client.requests[0].url) == f"{HOST}/behind/a/proxy/v1/sessions"


def test_base_url_invalid_is_refused(open_client: Open) -> None:
    with pytest.raises(fitsense.InvalidInputError, match="expected an address such as"):
        open_client("127.0.0.1:8765")


def test_session_matches_schema() -> None:
    document = schema("server.session")
    assert [field.name for field in attrs.fields(Session)] == list(document["properties"])


@pytest.mark.parametrize("time_s", [0.0, 1.25, -0.1, 1e6 + 0.000001])
@pytest.mark.parametrize("format", ["image", "h264", "vp8"])
def test_pack_is_parsed_by_server(format: Any, time_s: float) -> None:
    message = wire.parse(pack(b"it", time_s, format))
    assert (message.format.name.lower(), round(message.time_s, 6), message.content) == (format, round(time_s, 6), b"it")
    with pytest.raises(fitsense.InvalidInputError, match="expected one of image, h264, vp8, got 'png'"):
        pack(b"it", 0.0, "png")  # type: ignore[arg-type]


def test_resumption_pause_doubles_up_to_limit() -> None:
    resumption = Resumption(Retries(first_s=1.0, max_s=5.0), None, jitter=lambda: 1.0)
    assert [resumption.pause_s(None) for _ in range(5)] == [1.0, 2.0, 4.0, 5.0, 5.0]
    busy = ProblemError(Problem("about:blank", "Busy", 503, "later"), retry_after_s=60.0)
    assert resumption.pause_s(busy) == 60.0
    resumption.connected()
    assert resumption.event_of("message", "", "", 250) is None
    assert resumption.pause_s(None) == 0.25
