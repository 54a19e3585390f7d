"""Analysis of one video of a library and its outcome; independent of Ray."""

from __future__ import annotations

import contextlib
import hashlib
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import attrs
import cattrs

from fitsense._internal.hashing import sha256
from fitsense.bundles.bundle import Bundle
from fitsense.bundles.manifest import MANIFEST
from fitsense.events.model import SessionEnded, SessionWarning
from fitsense.fleet.library import Video, filesystem, reason_of
from fitsense.inference.model import Model
from fitsense.pipeline.analysis import analyze

Status = Literal["done", "damaged", "failed"]


@attrs.frozen
class Outcome:
    """The outcome of a video's analysis.

    :param id: name of the results, as of :attr:`Video.id`.
    :param url: path or URL without password.
    :param version: version of the file when the library was listed.
    :param analysis: digest of the bundle and the settings.
    :param bundle: name and version of the bundle.
    :param status: ``done``; ``damaged`` if only a part of the file could be read; ``failed`` if it could not be opened
        or the analysis broke off. Events before that are kept.
    :param reason: reason of the status; None if it is ``done``.
    :param events: number of events.
    :param bytes: size of the stored events.
    :param duration_s: analysed media time in seconds; None if the analysis failed.
    """

    id: str
    url: str
    version: str
    analysis: str
    bundle: str
    status: Status
    reason: str | None = None
    events: int = 0
    bytes: int = 0
    duration_s: float | None = None

    def to_json(self) -> str:
        """The outcome as one line without line end."""
        # ASCII with escapes, because a path may not be Unicode.
        return json.dumps(attrs.asdict(self))

    @classmethod
    def from_json(cls, line: str) -> Outcome:
        """Parse a line of :meth:`to_json`.

        :raises ValueError: the line is no outcome.
        """
        document = json.loads(line)
        if not isinstance(document, dict):
            raise ValueError(f"expected an outcome as a JSON object, got {document!r}")
        try:
            return cattrs.structure(document, cls)
        except cattrs.BaseValidationError as error:
            raise ValueError("; ".join(cattrs.transform_error(error))) from error


@attrs.frozen
class Analysis:
    """The settings of an analysis of a library.

    :param bundle: name and version of the bundle.
    :param digest: digest of the bundle and the settings.
    :param hop_s: time between predictions in seconds.
    """

    bundle: str
    digest: str
    hop_s: float

    @classmethod
    def of(cls, bundle: Bundle, hop_s: float) -> Analysis:
        # model.json contains the digests of all other files.
        settings = {"model": sha256(bundle.path(MANIFEST)), "hop_s": hop_s}
        digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()
        return cls(f"{bundle.manifest.name} {bundle.manifest.version}", digest, hop_s)

    def outcome(self, video: Video, status: Status, **more: Any) -> Outcome:
        """The outcome of a video."""
        return Outcome(video.id, video.shown, video.version, self.digest, self.bundle, status, **more)


def analyze_video(video: Video, model: Model, analysis: Analysis) -> tuple[Outcome, str]:
    """Analyse a video; errors become part of the outcome.

    :return: the outcome, and the events of :func:`fitsense.analyze` as NDJSON.
    """
    lines: list[str] = []
    status: Status = "done"
    reason: str | None = None
    duration_s: float | None = None
    path: Path | None = None
    try:
        with (
            _local_file(video) as path,
            contextlib.closing(analyze(path, model=model, hop_s=analysis.hop_s)) as events,
        ):
            for event in events:
                lines.append(event.to_json() + "\n")
                if isinstance(event.data, SessionWarning) and event.data.code.startswith("source_"):
                    status, reason = "damaged", event.data.message
                elif isinstance(event.data, SessionEnded):
                    duration_s = event.data.duration_s
    except Exception as error:
        status, reason = "failed", reason_of(error).removeprefix(f"{path}: ")
    text = "".join(lines)
    size = len(text.encode())
    return analysis.outcome(video, status, reason=reason, events=len(lines), bytes=size, duration_s=duration_s), text


@contextlib.contextmanager
def _local_file(video: Video) -> Iterator[Path]:
    """The video as a local file; a remote video is downloaded and removed at the end."""
    if video.is_local:
        yield Path(video.url)
        return
    with tempfile.TemporaryDirectory(prefix="fitsense-") as folder:
        # Keep the file's name, because events contain it.
        copy = Path(folder, video.name)
        system, path = filesystem(video.url)
        system.get_file(path, str(copy))
        yield copy
