"""Sessions over HTTP, with a real server."""

from __future__ import annotations

import json
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
from tests.conftest import encode
from tests.helpers.http_answers import opened, problem, sse
from tests.helpers.live_server import ended, events_of, serving, until
from tests.helpers.network_camera import Camera


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
