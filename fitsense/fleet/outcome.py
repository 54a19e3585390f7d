"""From a video of a library to its events and what became of it; without Ray."""

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
    """What became of a video.

    :param id: what its results are called.
    :param url: its path or URL, without a password.
    :param version: of the file, as it was when the library was listed.
    :param analysis: digest of the bundle and the settings.
    :param bundle: the bundle's name and version.
    :param status: ``done``; ``damaged`` if only a part of it could be read; ``failed`` if it could not be opened, or
        analysis broke off. Events that came before that stand.
    :param reason: why; None if it is done.
    :param events: how many there are.
    :param bytes: of the events, as they are stored.
    :param duration_s: media time that was analysed, in seconds; None if it failed.
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
        """One line, without a line end."""
        # Escapes, for a path need not be Unicode.
        return json.dumps(attrs.asdict(self))

    @classmethod
    def from_json(cls, line: str) -> Outcome:
        """:meth:`to_json` reversed.

        :raises ValueError: it is no outcome.
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
    """What all videos are analysed with.

    :param bundle: name and version.
    :param digest: of the bundle and the settings.
    :param hop_s: seconds between predictions.
    """

    bundle: str
    digest: str
    hop_s: float

    @classmethod
    def of(cls, bundle: Bundle, hop_s: float) -> Analysis:
        # model.json states the digests of all other files.
        settings = {"model": sha256(bundle.path(MANIFEST)), "hop_s": hop_s}
        digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()
        return cls(f"{bundle.manifest.name} {bundle.manifest.version}", digest, hop_s)

    def outcome(self, video: Video, status: Status, **more: Any) -> Outcome:
        """What became of a video."""
        return Outcome(video.id, video.shown, video.version, self.digest, self.bundle, status, **more)


def analyze_video(video: Video, model: Model, analysis: Analysis) -> tuple[Outcome, str]:
    """What becomes of a video, and its events as NDJSON: those that :func:`fitsense.analyze` gives for the file.

    Whatever is wrong with it is in the outcome; nothing is raised.
    """
    lines: list[str] = []
    status: Status = "done"
    reason: str | None = None
    duration_s: float | None = None
    path: Path | None = None
    try:
        with (
            _at_hand(video) as path,
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
def _at_hand(video: Video) -> Iterator[Path]:
    """The video as a file here, for as long as it is needed."""
    if video.is_here:
        yield Path(video.url)
        return
    with tempfile.TemporaryDirectory(prefix="fitsense-") as folder:
        # Events carry a file's name.
        copy = Path(folder, video.name)
        system, path = filesystem(video.url)
        system.get_file(path, str(copy))
        yield copy
