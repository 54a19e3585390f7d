"""Folders of uploads: one per process, removed in the end."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from fitsense.server.engine.folder_lock import lock_folder
from fitsense.server.engine.uploads import Uploads
from tests.helpers.live_server import process, until

HOLD = """
import sys, time
from pathlib import Path
from fitsense.server.engine.uploads import Uploads
uploads = Uploads(Path(sys.argv[1]))
uploads.open()
folder = uploads.new()
Path(folder.name, "upload").write_bytes(b"a person")
print(folder.name, flush=True)
time.sleep(600)
"""


def holding(parent: Path) -> tuple[subprocess.Popen[str], Path]:
    """A process with an upload, and the upload."""
    child = subprocess.Popen([sys.executable, "-c", HOLD, str(parent)], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    return child, Path(child.stdout.readline().strip()) / "upload"


def test_uploads_open_removes_folders_of_killed_processes_only(tmp_path: Path) -> None:
    children = [holding(tmp_path) for _ in range(2)]
    try:
        (killed, leftover), (_, kept) = children
        killed.kill()
        killed.wait()
        assert leftover.exists()
        uploads = Uploads(tmp_path)
        uploads.open()
        assert not leftover.parent.parent.exists()
        assert kept.read_bytes() == b"a person"
        folder = uploads.new()
        Path(folder.name, "upload").write_bytes(b"another")
        uploads.close()
        folder.cleanup()
        assert [path.name for path in tmp_path.iterdir()] == [kept.parent.parent.name]
    finally:
        for child, _ in children:
            child.kill()
            child.communicate()


def test_uploads_open_keeps_other_folders(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "lock").touch()
    parent = tmp_path / "temporary"
    parent.mkdir()
    (parent / "fitsense-uploads-link").symlink_to(elsewhere)
    (parent / "fitsense-uploads-new").mkdir()
    (parent / "fitsense-uploads-file").touch()
    uploads = Uploads(parent)
    uploads.open()
    uploads.close()
    assert (elsewhere / "lock").exists()
    assert len(list(parent.iterdir())) == 3


def test_uploads_open_folder_removed_before_lock_creates_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fitsense.server.engine import uploads as module

    taken = list[Path]()

    def racing(folder: Path, *, create: bool) -> int | None:
        if create and not taken:
            taken.append(folder)
            folder.rmdir()
        return lock_folder(folder, create=create)

    monkeypatch.setattr(module, "lock_folder", racing)
    uploads = Uploads(tmp_path)
    uploads.open()
    (folder,) = tmp_path.iterdir()
    assert folder not in taken
    uploads.close()
    assert not folder.exists()


@pytest.mark.slow
def test_server_started_after_a_kill_removes_uploads(tmp_path: Path) -> None:
    environment = {"TMPDIR": str(tmp_path), "FITSENSE_TOKENS": ""}

    def uploads() -> list[Path]:
        return list(tmp_path.glob("fitsense-uploads-*/*/upload"))

    def halves(child: subprocess.Popen[str]) -> Iterator[bytes]:
        yield b"half of a video" * 10_000
        until(lambda: [path for path in uploads() if path.stat().st_size])
        child.kill()
        child.wait()

    with process(environment=environment, log=tmp_path / "log") as (running, child), running.client() as client:
        with pytest.raises(httpx2.TransportError):
            client.post("/v1/analyses", content=halves(child))
        assert len(uploads()) == 1
    with process(environment=environment, log=tmp_path / "log") as (running, child), running.client() as client:
        until(lambda: client.get("/healthz").status_code == 200)
        assert uploads() == []
        assert "removed the uploads of a server" in (tmp_path / "log").read_text()
        child.terminate()
        assert child.wait() == 0
    assert not list(tmp_path.glob("fitsense*"))
