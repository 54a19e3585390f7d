"""A file is there whole or not at all, and has a fingerprint."""

from __future__ import annotations

from pathlib import Path

import pytest

from fitsense.files import fingerprint, whole


def test_what_was_written_to_the_end_is_there_alone(tmp_path: Path) -> None:
    with whole(tmp_path / "a.txt") as temporary:
        temporary.write_text("new")
        assert not (tmp_path / "a.txt").exists()
    assert [file.name for file in tmp_path.iterdir()] == ["a.txt"]
    assert (tmp_path / "a.txt").read_text() == "new"


def test_an_interruption_leaves_what_was_there_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("old")

    def interrupted() -> None:
        with whole(tmp_path / "a.txt") as temporary:
            temporary.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert [file.name for file in tmp_path.iterdir()] == ["a.txt"]
    assert (tmp_path / "a.txt").read_text() == "old"


def test_two_who_write_the_same_do_no_harm(tmp_path: Path) -> None:
    with whole(tmp_path / "a.txt") as one, whole(tmp_path / "a.txt") as other:
        one.write_text("one")
        other.write_text("other")
    assert (tmp_path / "a.txt").read_text() == "one"


def test_a_fingerprint_is_of_contents_alone(tmp_path: Path) -> None:
    contents = bytes(range(256)) * 1024
    for name in ("a", "b"):
        (tmp_path / name).write_bytes(contents)
    assert fingerprint(tmp_path / "a") == fingerprint(tmp_path / "b")
    # Another beginning, another end, another length.
    for position, other in enumerate((b"x" + contents[1:], contents[:-1] + b"x", contents + contents)):
        (tmp_path / str(position)).write_bytes(other)
    (tmp_path / "empty").touch()
    assert len({fingerprint(file) for file in tmp_path.iterdir()}) == 5
