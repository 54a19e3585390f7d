"""Listing of a library's videos."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fitsense.errors import InvalidInputError, SourceError
from fitsense.fleet.library import Video, list_videos
from tests.helpers.file_server import Films


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A library here."""
    folder = tmp_path / "my videos"
    for name in ("b.mp4", "A.MOV", "deep/er/c.webm", "notes.txt", ".hidden.mp4", ".cache/d.mp4", "deep/é ü.mkv"):
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(name.encode())
    return folder


@pytest.fixture
def memory() -> Iterator[str]:
    """A library in a storage like S3."""
    storage = fsspec.filesystem("memory")
    for name in ("one.mp4", "two/three.mov", "two/.four.mov", "five.txt"):
        storage.pipe(f"/bucket/{name}", name.encode())
    yield "memory://bucket"
    storage.rm("/bucket", recursive=True)


def urls(*places: str | Path) -> list[str]:
    return [video.url for video in list_videos(places)]


def test_list_videos_folder_is_searched_recursively(folder: Path) -> None:
    expected = [str(folder / name) for name in ("A.MOV", "b.mp4", "deep/er/c.webm", "deep/é ü.mkv")]
    assert urls(folder) == expected
    assert urls(f"file://{folder}/") == expected
    assert urls(folder, folder / "deep", folder / "b.mp4") == expected, "each once"


def test_list_videos_relative_path_becomes_absolute(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = urls(folder)
    monkeypatch.chdir(folder / "deep")
    assert urls("..", "../b.mp4") == expected


def test_list_videos_linked_folders_are_followed_once(folder: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "x.mp4").write_bytes(b"")
    before = urls(folder)
    (folder / "deep/again").symlink_to(folder)
    (folder / "linked").symlink_to(elsewhere)
    assert urls(folder) == sorted([*before, str(folder / "linked/x.mp4")])


def test_list_videos_glob_matches(folder: Path) -> None:
    assert urls(folder / "*.mp4") == [str(folder / "b.mp4")]
    assert urls(folder / "**/*.webm") == urls(folder / "d?ep/er/[abc].webm") == [str(folder / "deep/er/c.webm")]
    odd = folder / "take [1]?.mp4"
    odd.write_bytes(b"")
    assert urls(odd) == [str(odd)], "what exists is meant as it is"


def test_list_videos_single_file_may_have_any_suffix(folder: Path) -> None:
    assert urls(folder / "notes.txt") == [str(folder / "notes.txt")]


def test_list_videos_table_keeps_missing_videos(folder: Path, memory: str) -> None:
    table = folder / "deep/list.csv"
    table.write_text(f"name;path\n1;er/c.webm\n2;../b.mp4\n3;{folder}/gone\n4;{memory}/one.mp4\n5;\n", "utf-8")
    videos = {video.url: video.version for video in list_videos([table])}
    assert list(videos) == [
        str(folder / "b.mp4"),
        str(folder / "deep/er/c.webm"),
        str(folder / "gone"),
        "memory://bucket/one.mp4",
    ]
    assert [url for url, version in videos.items() if not version] == [str(folder / "gone")]
    table.write_text("file\nb.mp4\n", "utf-8")
    with pytest.raises(InvalidInputError, match=r"list\.csv: expected the columns path; path missing"):
        list_videos([table])


def test_list_videos_object_storage_is_listed(memory: str) -> None:
    everything = ["memory://bucket/one.mp4", "memory://bucket/two/three.mov"]
    assert urls(memory) == urls(memory + "/") == everything
    assert urls(memory + "/*/*.mov") == everything[1:]
    assert urls(memory + "/one.mp4") == everything[:1]
    fsspec.filesystem("memory").pipe("/bucket/list.csv", b"path\ntwo/three.mov\nmemory://bucket/one.mp4\n")
    assert urls(memory + "/list.csv") == everything
    fsspec.filesystem("memory").pipe("/bucket/list.csv", b"nothing\n")
    with pytest.raises(InvalidInputError, match=r"memory://bucket/list\.csv: expected the columns path"):
        urls(memory + "/list.csv")


def test_list_videos_web_server_is_listed(folder: Path) -> None:
    with Films({"one.mp4": b"1", "notes.txt": b"2", "é ü.mov": b"3"}) as films:
        videos = list_videos([films.url])
        assert [video.name for video in videos] == ["é ü.mov", "one.mp4"]
        (one,) = list_videos([films.url + "one.mp4?signed=*/x"])
        assert one.name == "one.mp4"
        assert one.version == videos[1].version
        assert films.fetched == [], "nothing is fetched to be listed"
        films.films["one.mp4"] = b"9"
        assert list_videos([films.url + "one.mp4"])[0].version not in ("", one.version)


def test_list_videos_changed_content_changes_version(folder: Path, memory: str) -> None:
    (before,) = list_videos([folder / "b.mp4"])
    assert [before] == list_videos([folder / "b.mp4"])
    (folder / "b.mp4").write_bytes(b"x" * 99)
    assert list_videos([folder / "b.mp4"])[0].version != before.version
    (before,) = list_videos([folder / "b.mp4"])
    os.utime(folder / "b.mp4", ns=(1, 1))
    assert list_videos([folder / "b.mp4"])[0].version != before.version
    (before,) = list_videos([memory + "/one.mp4"])
    fsspec.filesystem("memory").pipe("/bucket/one.mp4", b"9" * 7)
    assert list_videos([memory + "/one.mp4"])[0].version != before.version


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("nowhere", "no such file or folder"),
        (".", "expected videos there"),
        ("*.mp4", "expected videos there"),
        ("memory://nowhere", "cannot be listed: no such file|expected videos there"),
        ("nope://bucket", "Protocol not known|cannot be listed"),
        ("http://127.0.0.1:1/", "cannot be listed|expected videos there"),
        ("missing.csv", "cannot be read"),
    ],
)
def test_list_videos_place_without_videos_is_refused(
    place: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises((SourceError, InvalidInputError), match=message) as caught:
        list_videos([place])
    assert Path(place).name in str(caught.value)


def test_list_videos_name_not_unicode_is_listed(tmp_path: Path) -> None:
    file = os.fsdecode(os.fsencode(tmp_path) + b"/\xff.mp4")
    try:
        Path(file).write_bytes(b"")
    except OSError:
        pytest.skip("this file system has no such names")
    (video,) = list_videos([tmp_path])
    assert video.url == file
    assert video.version
    assert video.id.isascii()


@given(st.lists(st.text(st.characters(exclude_characters="\0"), min_size=1), min_size=2, max_size=2, unique=True))
def test_video_ids_are_distinct_file_names(texts: list[str]) -> None:
    one, other = (Video(f"s3://bucket/{text}", "") for text in texts)
    assert one.id != other.id
    assert one.id == Video(one.url, "2").id, "a changed file replaces its results"
    for video in (one, other):
        assert video.id.isascii()
        assert not set(video.id) & set('/\\:*?"<>| ')
        assert not video.id.startswith(".")
        assert len(video.id) < 100
        assert video.name


def test_video_shown_url_hides_password() -> None:
    assert Video("ftp://me:secret@host/a.mp4", "").shown == "ftp://me:***@host/a.mp4"
    for url in ("ftp://me@host:21/a@b.mp4", "/films/a:b@c.mp4", "s3://bucket/a.mp4"):
        assert Video(url, "").shown == url
