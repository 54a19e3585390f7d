"""From a source to its events, in one call."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import attrs

from fitsense.events import Event
from fitsense.model import Model, load_model
from fitsense.session import Reason, Session, SessionConfig
from fitsense.types import Frame

if TYPE_CHECKING:
    from fitsense.video.source import VideoSource

Source = str | Path | Iterable[Frame]


class Analysis(Iterator[Event]):
    """The events of a source, as they happen; from :func:`analyze`."""

    def __init__(self, source: Source, model: Model, config: SessionConfig) -> None:
        self._stopped = False
        self._video: VideoSource | None = None
        self._media_s = 0.0
        frames: Iterable[Frame]
        if isinstance(source, (str, Path)):
            from fitsense.video.source import VideoSource

            frames = self._video = VideoSource(source, model.short_side)
        else:
            frames = source
        self._events = self._run(frames, Session(model, config))

    def __next__(self) -> Event:
        return next(self._events)

    @property
    def media_s(self) -> float:
        """Time of the newest frame, in seconds of media time."""
        return self._media_s

    @property
    def duration_s(self) -> float | None:
        """The source's length in seconds, where it is known."""
        return self._video.info.duration_s if self._video else None

    def stop(self) -> None:
        """End soon, with a ``session.ended`` whose reason is ``interrupted``. May be called from a signal handler."""
        self._stopped = True

    def _run(self, frames: Iterable[Frame], session: Session) -> Iterator[Event]:
        reason: Reason = "finished"
        try:
            for frame in frames:
                if self._stopped:
                    break
                self._media_s = frame.time_s
                yield from session.push(frame)
            if self._stopped:
                reason = "interrupted"
            elif self._video is not None and self._video.trouble is not None:
                trouble = self._video.trouble
                yield from session.warn(trouble.code, trouble.message)
            yield from session.finish(reason)
        except Exception:
            # Whatever broke, the events so far stand, and end as a whole.
            yield from session.finish("failed")
            raise
        finally:
            if self._video is not None:
                self._video.close()


def analyze(
    source: Source,
    *,
    model: Model | None = None,
    config: SessionConfig | None = None,
    hop_s: float | None = None,
) -> Analysis:
    """Analyse a video: iterate over what this gives for its events.

    :param source: a file's path, a URL, ``camera:0``, or frames.
    :param model: None for the bundle that comes with fitsense.
    :param config: None for the defaults; events then carry a file's name as their source.
    :param hop_s: seconds between predictions, instead of the config's.
    :raises SourceError: at once, if the source cannot be read at all. A source that breaks later gives a
        ``session.warning`` and ends the session; the events before it stand.
    """
    if config is None:
        config = SessionConfig(source=_source_uri(source))
    if hop_s is not None:
        config = attrs.evolve(config, hop_s=hop_s)
    return Analysis(source, model or load_model(), config)


def _source_uri(source: Source) -> str:
    """How a source is called in its events: a file by its name, without a path that means nothing elsewhere."""
    if not isinstance(source, (str, Path)):
        return SessionConfig().source
    from fitsense.video.source import is_live

    if is_live(str(source)):
        # An address may hold a password.
        return "urn:fitsense:stream"
    return f"file:{quote(os.fsencode(Path(source).name))}"
