"""Videos in requests."""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx2
import pytest

import fitsense
from fitsense.synthetic.figures import FigureVideo
from fitsense.types import Frame
from tests.conftest import encode
from tests.helpers.http_answers import problem
from tests.helpers.live_server import Running, ended, events_of, until


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
