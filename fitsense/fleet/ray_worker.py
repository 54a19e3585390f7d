"""What Ray runs: workers, and the foreman who gives them the bundle and knows which videos they die of."""

from __future__ import annotations

import io
import json
import shutil
import tempfile
import weakref
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import attrs

from fitsense.bundles.bundle import Bundle
from fitsense.bundles.manifest import MANIFEST
from fitsense.errors import BundleError, FitsenseError, WeightsError
from fitsense.fleet.library import Video
from fitsense.fleet.outcome import Analysis, Outcome, analyze_video
from fitsense.inference.model import load_model

Row = dict[str, Any]
"""What Ray hands on: ``video`` in; ``outcome`` and ``events`` out, or ``error``. All are JSON."""

# A video at which so many workers died is to blame for it.
_MAX_ATTEMPTS = 3

_ERRORS = {kind.__name__: kind for kind in (BundleError, WeightsError)}


class Foreman:
    """An actor that outlives workers.

    :param bundle: a zip, for machines that do not have it.
    """

    def __init__(self, bundle: bytes) -> None:
        self._bundle = bundle
        self._begun: Counter[str] = Counter()

    def bundle(self) -> bytes:
        """What workers load."""
        return self._bundle

    def begin(self, id: str) -> int:
        """How often a video was begun, this time included."""
        self._begun[id] += 1
        return self._begun[id]


class Worker:
    """An actor that loads the bundle, and then analyses one video after the other.

    If it dies, Ray starts it again, and hands it the video that it was at.

    :param foreman: a handle of the :class:`Foreman`.
    :param threads: CPU threads of its own.
    :param scratch: how the name of its folder for what it fetches begins.
    """

    def __init__(self, foreman: Any, analysis: Analysis, threads: int, scratch: Path) -> None:
        import ray

        self._analysis = analysis
        self._foreman = foreman
        self._error: FitsenseError | None = None
        folder = Path(f"{scratch}-{ray.get_runtime_context().get_actor_id()}")
        # What it left there when it was killed.
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        tempfile.tempdir = str(folder)
        file = folder / "bundle.zip"
        file.write_bytes(ray.get(foreman.bundle.remote()))
        try:
            self._model = load_model(file, threads=threads)
        except FitsenseError as error:
            self._error = error

    def __call__(self, row: Row) -> Row:
        import ray

        if self._error is not None:
            return {"outcome": "", "events": "", "error": json.dumps([type(self._error).__name__, str(self._error)])}
        video = Video(**json.loads(row["video"]))
        begun = ray.get(self._foreman.begin.remote(video.id))
        if begun > _MAX_ATTEMPTS:
            reason = f"its worker died, {_MAX_ATTEMPTS} times"
            outcome, events = self._analysis.outcome(video, "failed", reason=reason), ""
        else:
            outcome, events = analyze_video(video, self._model, self._analysis)
        return {"outcome": outcome.to_json(), "events": events, "error": ""}


def row_of(video: Video) -> Row:
    """What a worker is to do."""
    return {"video": json.dumps(attrs.asdict(video))}


def read(row: Row) -> tuple[Outcome, str]:
    """The outcome and the events that a worker answers.

    :raises FitsenseError: it could not load the bundle.
    """
    if row["error"]:
        kind, message = json.loads(row["error"])
        raise _ERRORS.get(kind, FitsenseError)(f"a worker cannot load the bundle: {message}")
    return Outcome.from_json(row["outcome"]), row["events"]


def packed(bundle: Bundle) -> bytes:
    """A bundle as a zip."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        for name in (MANIFEST, *(entry.path for entry in bundle.manifest.files)):
            file.write(bundle.path(name), name)
    return archive.getvalue()
