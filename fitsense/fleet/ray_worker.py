"""The Ray actors: workers, and a coordinator that distributes the bundle and counts the attempts at each video."""

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
"""A row of the Ray dataset: ``video`` in; ``outcome`` and ``events`` out, or ``error``. All values are JSON."""

# Number of attempts after which a video counts as the cause of its workers' deaths.
_MAX_ATTEMPTS = 3

_ERRORS = {kind.__name__: kind for kind in (BundleError, WeightsError)}


class Coordinator:
    """An actor that outlives workers.

    :param bundle: the bundle as a zip, for machines without it.
    """

    def __init__(self, bundle: bytes) -> None:
        self._bundle = bundle
        self._begun: Counter[str] = Counter()

    def bundle(self) -> bytes:
        """The bundle as a zip."""
        return self._bundle

    def begin(self, id: str) -> int:
        """Count an attempt at a video; return the number of attempts so far."""
        self._begun[id] += 1
        return self._begun[id]


class Worker:
    """An actor that loads the bundle and analyses one video after the other.

    If it dies, Ray restarts it and repeats the video.

    :param coordinator: handle of the :class:`Coordinator`.
    :param threads: CPU threads of the model.
    :param scratch: prefix of the path of its folder for downloads.
    """

    def __init__(self, coordinator: Any, analysis: Analysis, threads: int, scratch: Path) -> None:
        import ray

        self._analysis = analysis
        self._coordinator = coordinator
        self._error: FitsenseError | None = None
        folder = Path(f"{scratch}-{ray.get_runtime_context().get_actor_id()}")
        # Remove the remains of an actor that was killed.
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        tempfile.tempdir = str(folder)
        file = folder / "bundle.zip"
        file.write_bytes(ray.get(coordinator.bundle.remote()))
        try:
            self._model = load_model(file, threads=threads)
        except FitsenseError as error:
            self._error = error

    def __call__(self, row: Row) -> Row:
        import ray

        if self._error is not None:
            return {"outcome": "", "events": "", "error": json.dumps([type(self._error).__name__, str(self._error)])}
        video = Video(**json.loads(row["video"]))
        attempts = ray.get(self._coordinator.begin.remote(video.id))
        if attempts > _MAX_ATTEMPTS:
            reason = f"its worker died, {_MAX_ATTEMPTS} times"
            outcome, events = self._analysis.outcome(video, "failed", reason=reason), ""
        else:
            outcome, events = analyze_video(video, self._model, self._analysis)
        return {"outcome": outcome.to_json(), "events": events, "error": ""}


def row_of(video: Video) -> Row:
    """The row of a video to analyse."""
    return {"video": json.dumps(attrs.asdict(video))}


def read(row: Row) -> tuple[Outcome, str]:
    """The outcome and the events in a row from a worker.

    :raises FitsenseError: the worker could not load the bundle.
    """
    if row["error"]:
        kind, message = json.loads(row["error"])
        raise _ERRORS.get(kind, FitsenseError)(f"a worker cannot load the bundle: {message}")
    return Outcome.from_json(row["outcome"]), row["events"]


def zip_bundle(bundle: Bundle) -> bytes:
    """A bundle as a zip."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        for name in (MANIFEST, *(entry.path for entry in bundle.manifest.files)):
            file.write(bundle.path(name), name)
    return archive.getvalue()
