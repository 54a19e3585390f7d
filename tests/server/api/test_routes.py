"""Sessions over HTTP, with a real server."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import attrs
import httpx2
import pytest

import fitsense
from fitsense._internal.stopping import StopFlag
from fitsense.events.schema import validate
from fitsense.server.config import Limits, ServeConfig
from fitsense.synthetic.figures import FigureVideo
from fitsense.types import Frame
from tests.conftest import encode
from tests.helpers.live_server import Running, ended, events_of, serving, until
from tests.helpers.network_camera import Camera


def opened(client: httpx2.Client, **request: Any) -> dict[str, Any]:
    answer = client.post("/v1/sessions", json=request)
    assert answer.status_code == 201, answer.text
    session: dict[str, Any] = answer.json()
    validate(session, "server.session")
    assert answer.headers["location"] == f"/v1/sessions/{session['id']}"
    return session


def problem(answer: httpx2.Response, status: int, kind: str) -> str:
    """A problem's detail."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    document = answer.json()
    validate(document, "server.problem")
    assert document["type"] == f"urn:fitsense:problem:{kind}"
    detail: str = document["detail"]
    return detail


def sse(answer: httpx2.Response) -> list[dict[str, Any]]:
    """The events of a stream, whose message ids must match."""
    events = []
    for block in answer.text.replace("\r\n", "\n").split("\n\n"):
        lines = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line)
        if "data" in lines:
            events.append(json.loads(lines["data"]))
            assert lines["id"] == events[-1]["id"]
    return events


def test_session_is_opened_listed_ended_and_forgotten(client: httpx2.Client) -> None:
    session = opened(client, hop_s=0.5, region={"left": 0, "top": 0, "right": 0.5, "bottom": 1})
    assert (session["state"], session["mode"], session["bundle"]) == ("open", "push", "gym-video")
    address = f"/v1/sessions/{session['id']}"
    assert client.get(address).json() == session
    assert session in client.get("/v1/sessions").json()["sessions"]
    over = client.delete(address).json()
    validate(over, "server.session")
    assert (over["state"], over["reason"]) == ("ended", "finished")
    events = events_of(client.get(f"{address}/events.ndjson").text)
    assert ended(events)["frames"] == 0
    assert {event["source"] for event in events} == {session["event_source"]}
    assert client.delete(address).status_code == 204
    assert "unknown" in problem(client.get(address), 404, "unknown-session")


def test_create_session_with_exercises_names_only_these(client: httpx2.Client) -> None:
    session = opened(client, exercises=["squat", "push_up"], expected="squat")
    assert (session["exercises"], session["expected"]) == (["squat", "push_up"], "squat")
    address = f"/v1/sessions/{session['id']}"
    client.delete(address)
    events = events_of(client.get(f"{address}/events.ndjson").text)
    assert events[0]["data"]["exercises"] == ["push_up", "squat"]


def test_source_events_can_be_read_again_from_any_event(
    client: httpx2.Client, model: fitsense.Model, videos: Path
) -> None:
    since = datetime.now(UTC)
    session = opened(client, source="videos/deep/squats.mp4")
    address = f"/v1/sessions/{session['id']}"
    with client.stream("GET", f"{address}/events") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        answer.read()
    events = sse(answer)
    assert ended(events)["reason"] == "finished"
    # The file has no creation time: its events are dated by the request.
    started_at = datetime.fromisoformat(events[0]["time"])
    assert since - timedelta(milliseconds=1) <= started_at <= datetime.now(UTC)
    config = fitsense.SessionConfig(source=session["event_source"], started_at=started_at)
    alone = [event.to_dict() for event in fitsense.analyze(videos / "deep/squats.mp4", model=model, config=config)]
    assert events == alone
    assert events_of(client.get(f"{address}/events.ndjson").text) == events
    for known in ("0", "0000000003"):
        rest = events[int(known) + 1 :]
        assert sse(client.get(f"{address}/events", headers={"last-event-id": known})) == rest
        assert sse(client.get(f"{address}/events", params={"after": known})) == rest
        assert events_of(client.get(f"{address}/events.ndjson", params={"after": known}).text) == rest
    last = {"last-event-id": events[-1]["id"]}
    # Keeps browsers from reconnecting.
    assert client.get(f"{address}/events", headers=last).status_code == 204
    for wrong in ("9999999999", "-1", "x", "00000000000"):
        detail = problem(client.get(f"{address}/events", params={"after": wrong}), 422, "invalid-request")
        assert detail.startswith("event id: expected")
    assert client.get(address).json()["frames"] == 60


def test_events_expired_give_problem(model: fitsense.Model, videos: Path) -> None:
    config = ServeConfig(sources={"videos": str(videos)}, limits=Limits(events=5))
    with serving(model, config) as running, running.client() as client:
        address = f"/v1/sessions/{opened(client, source='videos/in.mp4')['id']}"
        until(lambda: client.get(address).json()["state"] == "ended")
        answer = client.get(f"{address}/events", headers={"last-event-id": "0"})
        assert "0000000001 is no longer available" in problem(answer, 410, "events-gone")
        first = answer.json()["first"]
        assert problem(client.get(f"{address}/events.ndjson?after=1"), 410, "events-gone")
        kept = sse(client.get(f"{address}/events"))
        assert len(kept) == 5
        assert int(kept[0]["id"]) == first
        assert sse(client.get(f"{address}/events", params={"after": first - 1})) == kept


def test_upload_gives_events_and_leaves_no_file(
    client: httpx2.Client, model: fitsense.Model, squats_file: Path
) -> None:
    before = kept_uploads()
    since = datetime.now(UTC)
    query = {"hop_s": "1.5", "region": "0,0,1,1", "bundle": "gym-video", "people": "false"}
    answer = client.post("/v1/analyses", params=query, content=squats_file.read_bytes())
    assert answer.headers["content-type"] == "application/x-ndjson"
    events = events_of(answer.text)
    assert ended(events)["reason"] == "finished"
    # The file has no creation time: its events are dated by when it arrived.
    arrived = datetime.fromisoformat(events[0]["time"])
    assert since - timedelta(milliseconds=1) <= arrived <= datetime.now(UTC)
    region = fitsense.Region(0, 0, 1, 1)
    config = fitsense.SessionConfig(source=events[0]["source"], started_at=arrived, hop_s=1.5, region=region)
    assert events == [event.to_dict() for event in fitsense.analyze(squats_file, model=model, config=config)]
    assert client.get(answer.headers["location"]).json()["mode"] == "upload"
    until(lambda: kept_uploads() <= before)


def kept_uploads() -> set[Path]:
    """List all uploads that servers of this machine keep."""
    return set(Path(tempfile.gettempdir()).glob("fitsense-uploads-*/*/*"))


@pytest.fixture(scope="module")
def long_film(squats: FigureVideo, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A while, which takes seconds to be analysed."""
    once = list(squats)
    frames = (Frame(frame.rgb, frame.time_s + turn * squats.duration_s) for turn in range(4) for frame in once)
    return encode(tmp_path_factory.mktemp("long") / "long.mkv", frames, rate=10).read_bytes()


def test_upload_damaged_gives_events_and_warning(client: httpx2.Client, long_film: bytes) -> None:
    events = events_of(client.post("/v1/analyses", content=long_film[: len(long_film) // 8]).text)
    assert ended(events)["reason"] == "finished"
    codes = [event["data"]["code"] for event in events if event["type"] == "fitsense.session.warning"]
    assert {"source_damaged", "source_truncated"} & set(codes)


def test_upload_client_disconnects_ends_session(client: httpx2.Client, running: Running, long_film: bytes) -> None:
    before = kept_uploads()
    with running.client() as leaving, leaving.stream("POST", "/v1/analyses", content=long_film) as answer:
        next(answer.iter_lines())
        address = answer.headers["location"]
    until(lambda: client.get(address).json()["state"] == "ended")
    assert client.get(address).json()["reason"] == "interrupted"
    assert ended(events_of(client.get(f"{address}/events.ndjson").text))["reason"] == "interrupted"
    until(lambda: kept_uploads() <= before)


@pytest.mark.parametrize(
    ("content", "query", "status", "kind", "words"),
    [
        (b"", {}, 422, "source-refused", "got nothing"),
        (b"no video", {}, 422, "source-refused", "Invalid data"),
        (b"x", {"hop": "1"}, 422, "invalid-request", "query: expected bundle, "),
        (b"x", {"hop_s": "0"}, 422, "invalid-request", "minimum of 0.1"),
        (b"x", {"hop_s": "nan"}, 422, "invalid-request", "hop_s: expected a number"),
        (b"x", {"hop_s": "soon"}, 422, "invalid-request", "hop_s: expected a number"),
        (b"x", {"people": "yes"}, 422, "invalid-request", "people: expected true or false"),
        (b"x", {"region": "0,0,1"}, 422, "invalid-request", "left,top,right,bottom"),
        (b"x", {"region": "0,0,nan,1"}, 422, "invalid-request", "region: expected a number"),
        (b"x", {"bundle": "nope"}, 422, "invalid-request", "bundle: expected one of gym"),
        (b"#EXTM3U\n#EXT-X-VERSION:3\n#EXTINF:1,\nfile:///etc/passwd\n", {}, 422, "source-refused", ""),
        (b"ffconcat version 1.0\nfile 'upload'\n", {}, 422, "source-refused", ""),
    ],
)
def test_upload_invalid_is_refused(
    client: httpx2.Client, content: bytes, query: dict[str, str], status: int, kind: str, words: str
) -> None:
    assert words in problem(client.post("/v1/analyses", params=query, content=content), status, kind)


def test_upload_form_is_refused_with_hint(client: httpx2.Client, squats_file: Path) -> None:
    video = squats_file.read_bytes()
    # As curl -F and a page's form send it; and as curl -d and --json do, which take a file for text.
    answer = client.post("/v1/analyses", files={"video": ("squats.mp4", video, "video/mp4")})
    assert "expected the video itself as the body" in problem(answer, 415, "unsupported-media-type")
    for kind, content in (
        ("application/x-www-form-urlencoded", b"video=" + video),
        ("application/json", b'{"video": "squats.mp4"}'),
    ):
        answer = client.post("/v1/analyses", content=content, headers={"content-type": kind})
        assert "curl --data-binary @FILE" in problem(answer, 422, "source-refused")
    headers = {"content-type": "application/x-www-form-urlencoded"}
    assert ended(events_of(client.post("/v1/analyses", content=video, headers=headers).text))["frames"] == 60


@pytest.mark.parametrize(
    ("request_body", "words"),
    [
        ({"hop": 1}, "'hop' was unexpected"),
        ({"hop_s": 0}, "minimum"),
        ({"exercises": ["sqaut"]}, "did you mean squat?"),
        ({"exercises": []}, "exercises"),
        ({"exercises": ["squat"], "expected": "push_up"}, "expected: expected one of exercises"),
        ({"bundle": "/etc"}, "bundle: expected one of gym"),
        ({"region": {"left": 0, "top": 0, "right": 0, "bottom": 0}}, "region: expected a box"),
        ({"region": {"left": 0}}, "'top' is a required property"),
        ({"people": True, "region": {"left": 0, "top": 0, "right": 1, "bottom": 1}}, "people: expected no region"),
        ({"started_at": "yesterday"}, "started_at"),
        ({"started_at": "9999-12-31T23:59:59Z"}, "timestamp with UTC offset, 1970–2199"),
        ([], "is not of type 'object'"),
    ],
)
def test_session_request_invalid_is_refused(client: httpx2.Client, request_body: Any, words: str) -> None:
    assert words in problem(client.post("/v1/sessions", json=request_body), 422, "invalid-request")


@pytest.mark.parametrize(
    "body", [b"", b"{", b'{"hop_s": NaN}', b"[" * 50_000, b"\xff", b'{"hop_s": 1e999', b"9" * 5000]
)
def test_session_request_malformed_json_is_refused(client: httpx2.Client, body: bytes) -> None:
    answer = client.post("/v1/sessions", content=body, headers={"content-type": "application/json"})
    problem(answer, 400, "malformed-request")


def test_routes_unknown_path_method_or_type_gives_problem(client: httpx2.Client) -> None:
    assert "/openapi.json" in problem(client.get("/v2"), 404, "not-found")
    assert "method PUT is not allowed" in problem(client.put("/v1/sessions"), 405, "method-not-allowed")
    assert "application/json" in problem(client.post("/v1/sessions", content=b"{}"), 415, "unsupported-media-type")
    for address in ("/v1/sessions/x", "/v1/sessions/x/events", "/v1/sessions/x/events.ndjson"):
        problem(client.get(address), 404, "unknown-session")


@pytest.mark.parametrize(
    "source",
    [
        "videos",
        "videos/",
        "videos/deep",
        "videos/none.mp4",
        "videos/out.mp4",
        "videos/../secret.mp4",
        "videos/deep/../../secret.mp4",
        "videos//etc/passwd",
        "/etc/passwd",
        "../secret.mp4",
        "file:///etc/passwd",
        "http://127.0.0.1:9/none",
        "camera:0",
        "concat:a|b",
        "videos/\x00",
        "videos/\ud800",
        "videos/" + "a" * 900,
        "nowhere/x",
    ],
)
def test_source_not_configured_is_refused(client: httpx2.Client, source: str) -> None:
    body = json.dumps({"source": source})
    answer = client.post("/v1/sessions", content=body, headers={"content-type": "application/json"})
    assert problem(answer, 422, "source-refused").startswith("source: expected one of nowhere, videos/…, got ")


def test_source_unreachable_error_hides_address(client: httpx2.Client) -> None:
    detail = problem(client.post("/v1/sessions", json={"source": "nowhere"}), 422, "source-refused")
    assert detail.startswith("source nowhere: ")
    assert "127.0.0.1" not in detail


@pytest.fixture(scope="module")
def camera(model: fitsense.Model, squats: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Camera]:
    with Camera(encode(tmp_path_factory.mktemp("film") / "squats.ts", squats, rate=10)) as camera:
        yield camera


def test_source_live_is_read_until_deleted(model: fitsense.Model, camera: Camera) -> None:
    with serving(model, ServeConfig(sources={"front": camera.url()})) as running, running.client() as client:
        session = opened(client, source="front", policy="all")
        address = f"/v1/sessions/{session['id']}"
        until(lambda: client.get(address).json()["frames"] > 10)
        assert client.delete(address).json()["reason"] == "interrupted"
        events = events_of(client.get(f"{address}/events.ndjson").text)
        assert ended(events)["reason"] == "interrupted"
        # The camera's time of day.
        assert events[0]["time"][:4] >= "2024"


def test_source_redirect_is_followed_only_if_configured(model: fitsense.Model, camera: Camera) -> None:
    from tests.helpers.redirect_server import redirecting

    with redirecting(camera.url()) as address:
        for redirects, status in ((0, 422), (1, 201)):
            config = ServeConfig(sources={"front": address}, redirects=redirects)
            with serving(model, config) as running, running.client() as client:
                assert client.post("/v1/sessions", json={"source": "front"}).status_code == status


def test_limits_exceeded_are_refused(model: fitsense.Model, squats_file: Path) -> None:
    limits = Limits(sessions=2, body_bytes=100, upload_bytes=1000, requests_per_s=1000)
    with serving(model, ServeConfig(limits=limits)) as running, running.client() as client:
        sessions = [opened(client) for _ in range(2)]
        refused = client.post("/v1/sessions", json={})
        assert "at most 2 open sessions" in problem(refused, 503, "too-many-sessions")
        assert refused.headers["retry-after"]
        problem(client.post("/v1/analyses", content=b"x"), 503, "too-many-sessions")
        client.delete(f"/v1/sessions/{sessions[0]['id']}")
        client.delete(f"/v1/sessions/{opened(client)['id']}")
        large = client.post("/v1/sessions", content=b" " * 101, headers={"content-type": "application/json"})
        assert "at most 100 bytes" in problem(large, 413, "too-large")
        problem(client.post("/v1/analyses", content=squats_file.read_bytes()), 413, "too-large")
        # Without a length, it is counted.
        problem(client.post("/v1/analyses", content=iter([b"x" * 600] * 2)), 413, "too-large")


def test_session_idle_is_ended_and_forgotten(model: fitsense.Model) -> None:
    limits = attrs.evolve(Limits(), idle_s=0.6, keep_s=0.6)
    with serving(model, ServeConfig(limits=limits)) as running, running.client() as client:
        address = f"/v1/sessions/{opened(client)['id']}"
        until(lambda: client.get(address).json().get("reason") == "interrupted")
        assert ended(events_of(client.get(f"{address}/events.ndjson").text))["reason"] == "interrupted"
        until(lambda: client.get(address).status_code == 404)


def test_health_readiness_and_metrics_are_served(client: httpx2.Client, squats_file: Path) -> None:
    for address in ("/healthz", "/readyz"):
        assert client.get(address).json() == {"status": "ok"}
    opened(client)
    client.post("/v1/analyses", content=squats_file.read_bytes())
    page = client.get("/metrics")
    assert page.headers["content-type"].startswith("text/plain; version=0.0.4")
    for words in (
        'fitsense_windows_total{bundle="gym-video"}',
        "fitsense_latency_seconds_bucket{",
        "fitsense_dropped_frames_total",
        'fitsense_sessions{mode="push"}',
        'fitsense_ended_sessions_total{reason="finished"}',
        'fitsense_events_total{type="fitsense.session.ended"}',
    ):
        assert words in page.text


def test_health_dead_worker_is_unavailable_until_restart(
    model: fitsense.Model, videos: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with serving(model, ServeConfig(sources={"videos": str(videos)})) as running, running.client() as client:
        assert running.server is not None
        worker = running.server.sessions._worker
        restart = worker.restart
        monkeypatch.setattr(worker, "restart", lambda: False)
        # The thread ends as it would by a fault of ours outside a round.
        ended = StopFlag()
        ended.set()
        with monkeypatch.context() as patch:
            patch.setattr(worker, "_stop", ended)
            patch.setattr(worker._channel, "_stop", ended)
            until(lambda: not worker.alive)
        for address in ("/healthz", "/readyz"):
            assert "worker" in problem(client.get(address), 503, "unavailable")
        monkeypatch.setattr(worker, "restart", restart)
        until(lambda: client.get("/healthz").status_code == 200)
        assert "worker thread has died" in caplog.text
        address = f"/v1/sessions/{opened(client, source='videos/in.mp4')['id']}"
        until(lambda: client.get(address).json()["reason"] == "finished")


def test_responses_all_have_security_headers(client: httpx2.Client) -> None:
    answers = [
        client.get(path)
        for path in ("/", "/playground/app.js", "/healthz", "/v1/sessions", "/nope", "/v1/sessions/x", "/metrics")
    ]
    answers += [client.put("/v1/sessions"), client.post("/v1/sessions", content=b"{"), client.head("/")]
    answers += [client.get("/healthz", headers={"host": "evil.example"})]
    for answer in answers:
        assert answer.headers.get_list("x-content-type-options") == ["nosniff"]
        assert answer.headers.get_list("cross-origin-resource-policy") == ["same-origin"]


def test_responses_server_failure_has_security_headers(model: fitsense.Model, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(model) as running, running.client() as client:
        assert running.server is not None
        monkeypatch.setattr(type(running.server.sessions), "__iter__", None)
        answer = client.get("/v1/sessions")
        problem(answer, 500, "failed")
        assert answer.headers["x-content-type-options"] == "nosniff"
