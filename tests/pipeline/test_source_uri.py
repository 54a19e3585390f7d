"""Default event sources are distinct, and the recording time of a file is known."""

from __future__ import annotations

import io
import os
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

import fitsense
from fitsense.pipeline.source_uri import file_uri, object_uri, stream_uri
from fitsense.video.timing import creation_time


def test_file_uri_same_name_other_content_differs(tmp_path: Path) -> None:
    for folder in ("a", "b", "c"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "x y.mp4").write_bytes(b"same" if folder != "c" else b"other")
    one, same, other = (file_uri(tmp_path / folder / "x y.mp4") for folder in "abc")
    assert one == same
    assert one != other
    assert one.startswith("file:x%20y.mp4;digest=")


@pytest.mark.parametrize("at", [0, 5 << 20, (10 << 20) - 1])
def test_file_uri_large_file_covers_beginning_middle_and_end(at: int, tmp_path: Path) -> None:
    path = tmp_path / "large.mp4"
    with path.open("wb") as file:
        file.truncate(10 << 20)
    before = file_uri(path)
    with path.open("r+b") as file:
        file.seek(at)
        file.write(b"1")
    assert file_uri(path) != before


def test_file_uri_without_content_has_the_name(tmp_path: Path) -> None:
    assert file_uri(tmp_path / "missing.mp4") == "file:missing.mp4"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no FIFOs")
def test_file_uri_of_a_pipe_is_new_each_time_and_reads_nothing(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert file_uri(tmp_path / "pipe") != file_uri(tmp_path / "pipe")


@pytest.mark.parametrize("address", ["rtsp://user:secret@door.example:554/key?token=secret", "camera:0", "/dev/video0"])
def test_stream_uri_is_new_each_time_and_holds_no_secret(address: str) -> None:
    one, other = stream_uri(address), stream_uri(address)
    assert one != other
    assert one.startswith("urn:fitsense:stream:")
    assert "secret" not in one
    assert "key" not in one


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ({"creation_time": "2026-05-01T18:30:00.000000Z"}, datetime(2026, 5, 1, 18, 30, tzinfo=UTC)),
        (
            {"creation_time": "2026-05-01T18:30:00Z", "com.apple.quicktime.creationdate": "2026-05-01T20:29:00+0200"},
            datetime(2026, 5, 1, 20, 29, tzinfo=timezone(timedelta(hours=2))),
        ),
        # Recorders whose clock was never set, a time without a zone, and what is no time.
        ({"creation_time": "1904-01-01T00:00:00Z"}, None),
        ({"creation_time": "1970-01-01T00:00:00Z"}, None),
        ({"creation_time": "2026-05-01T18:30:00"}, None),
        ({"creation_time": "yesterday"}, None),
        ({}, None),
    ],
)
def test_created_at_takes_only_plausible_times_with_a_zone(metadata: dict[str, str], expected: datetime | None) -> None:
    assert creation_time(metadata) == expected


def test_config_started_at_explicit_epoch_is_kept() -> None:
    assert fitsense.SessionConfig().started_at is None
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    assert fitsense.SessionConfig(started_at=epoch).started_at == epoch


def test_object_uri_names_content_and_keeps_the_position() -> None:
    one, same, other = (io.BytesIO(content) for content in (b"abc", b"abc", b"abd"))
    one.seek(1)
    assert object_uri(one) == object_uri(same) != object_uri(other)
    assert one.tell() == 1


def test_object_uri_of_an_unseekable_object_is_new_each_time() -> None:
    class Unseekable(io.BytesIO):
        def seekable(self) -> bool:
            return False

    pipe = Unseekable(b"abc")
    assert object_uri(pipe) != object_uri(pipe)
