"""Digests of files."""

from __future__ import annotations

from pathlib import Path

from fitsense._internal.hashing import fingerprint


def test_fingerprint_depends_on_content_only(tmp_path: Path) -> None:
    contents = bytes(range(256)) * 1024
    for name in ("a", "b"):
        (tmp_path / name).write_bytes(contents)
    assert fingerprint(tmp_path / "a") == fingerprint(tmp_path / "b")
    # Another beginning, another end, another length.
    for position, other in enumerate((b"x" + contents[1:], contents[:-1] + b"x", contents + contents)):
        (tmp_path / str(position)).write_bytes(other)
    (tmp_path / "empty").touch()
    assert len({fingerprint(file) for file in tmp_path.iterdir()}) == 5
