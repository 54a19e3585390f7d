"""From a source to its events, in one call."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import attrs

from fitsense.errors import InvalidInputError, SourceError
from fitsense.events.model import Event
from fitsense.expectation import Expectation
from fitsense.geometry import Region
from fitsense.imaging.frame_rate import min_interval_s
from fitsense.inference.model import Model, load_model
from fitsense.pipeline.source_uri import file_uri, object_uri, stream_uri
from fitsense.session.config import SessionConfig
from fitsense.session.session import Reason, Session
from fitsense.types import Frame
from fitsense.video.inputs import Source, checked_frames, checked_source, is_file
from fitsense.video.stopping import StopFlag

if TYPE_CHECKING:
    from fitsense.inference.detector import Detector
    from fitsense.session.tracked import TrackedSession
    from fitsense.video.live import LiveConfig, LiveSource
    from fitsense.video.prefetch import Prefetcher
    from fitsense.video.source import SourceWarning, VideoSource

# Somebody who is so many times smaller than the picture is still seen as large as the model wants it.
_PEOPLE_ZOOM = 2.5
# How soon a pause between two frames notices that it is to end.
_POLL_S = 0.1


class Analysis(Iterator[Event]):
    """The events of a source, as they happen; from :func:`analyze`, which says what the parameters are.

    The source is opened by :meth:`open`, or when the first event is asked for: what cannot be read then is a session
    that failed.
    """

    def __init__(
        self,
        source: Source,
        model: Model,
        *,
        config: SessionConfig | None = None,
        hop_s: float | None = None,
        live: LiveConfig | None = None,
        realtime: bool = False,
        region: Region | None = None,
        people: str | None = None,
        hwaccel: str | None = None,
        track: int | None = None,
        source_uri: str | None = None,
        started_at: datetime | None = None,
        exercises: Iterable[str] | None = None,
        expected: str | None = None,
    ) -> None:
        source = checked_source(source)
        _check_track(source, track)
        # Otherwise the source is named after its content, which is read when it is opened.
        self._is_named = config is not None or source_uri is not None
        config = config or SessionConfig()
        if source_uri is not None:
            config = attrs.evolve(config, source=source_uri)
        if started_at is not None:
            config = attrs.evolve(config, started_at=started_at)
        if hop_s is not None:
            config = attrs.evolve(config, hop_s=hop_s)
        if region is not None:
            config = attrs.evolve(config, region=region)
        if exercises is not None:
            config = attrs.evolve(config, exercises=exercises)
        if expected is not None:
            config = attrs.evolve(config, expected=expected)
        # What the bundle does not know is refused before the source is opened.
        Expectation.of(model.labels.exercise, config.exercises, config.expected)
        self._detect: Detector | None = None
        if people is not None:
            from fitsense.inference.detector import load_detector

            if config.region is not None:
                raise InvalidInputError(f"people: expected no region beside it, got {config.region}")
            self._detect = load_detector(people, model.plugins, threads=model.threads)
        self._source = source
        self._model = model
        self._config = config
        self._live_config = live
        self._realtime = realtime
        self._hwaccel = hwaccel
        self._track = track
        self._stop = StopFlag()
        self._reason: Reason | None = None
        self._video: VideoSource | None = None
        self._live: LiveSource | None = None
        self._ahead: Prefetcher[Frame | SourceWarning] | None = None
        self._items: Iterable[Frame | SourceWarning] | None = None
        self._media_s = 0.0
        self._session: Session | TrackedSession | None = None
        self._events = self._run()

    def __next__(self) -> Event:
        return next(self._events)

    @property
    def media_s(self) -> float:
        """Time of the newest frame, in seconds of media time."""
        return self._media_s

    @property
    def duration_s(self) -> float | None:
        """The source's length in seconds, where it is known."""
        video = self._video or self._live
        return video.info.duration_s if video else None

    @property
    def reason(self) -> Reason | None:
        """Why it ended, as in each ``session.ended``; None while it goes on. Also where there was nobody."""
        return self._reason

    def open(self) -> None:
        """Open the source, unless it is open already.

        :raises SourceError: it cannot be read at all.
        """
        if self._items is not None:
            return
        items: Iterable[Frame | SourceWarning]
        if isinstance(self._source, (str, Path)) and _is_live(str(self._source)):
            items = self._open_live(str(self._source))
        elif isinstance(self._source, (str, Path)) or is_file(self._source):
            items = self._open_file(self._source)
        else:
            items = checked_frames(self._source)
        self._items = self._paced(items) if self._realtime else items

    def stop(self) -> None:
        """End soon, with a ``session.ended`` whose reason is ``interrupted``. May be called from a signal handler."""
        self._stop.set()

    def close(self) -> None:
        """Free the source, and forget the events that are still to come."""
        self._events.close()
        self._free()

    def _run(self) -> Generator[Event, None, None]:
        try:
            if not self._stop.requested:
                self._open_or_stop()
            session = self._begin()
            for item in self._items or ():
                if not isinstance(item, Frame):
                    yield from session.warn(item.code, item.message)
                elif self._stop.requested:
                    break
                else:
                    self._media_s = item.time_s
                    yield from session.push(item)
            self._reason = "interrupted" if self._stop.requested else "finished"
            yield from session.finish(self._reason)
        except Exception:
            # Whatever broke, the events so far stand, and end as a whole.
            self._reason = "failed"
            yield from self._begin().finish(self._reason)
            raise
        finally:
            self._free()

    def _open_or_stop(self) -> None:
        try:
            self.open()
        except SourceError:
            # One that is stopped while it is opened has no frames, which is what was asked for.
            if not self._stop.requested:
                raise

    def _begin(self) -> Session | TrackedSession:
        """The session, made when it is known whether the source could be opened, and what it says of itself."""
        if self._session is None:
            config = self._config
            if not self._is_named and (name := _source_uri(self._source)) is not None:
                config = attrs.evolve(config, source=name)
            if config.started_at is None:
                config = attrs.evolve(config, started_at=self._source_start())
            if self._detect is None:
                self._session = Session(self._model, config)
            else:
                from fitsense.session.tracked import TrackedSession

                self._session = TrackedSession(self._model, self._detect, config)
        return self._session

    def _source_start(self) -> datetime | None:
        """Wall-clock time of media time 0, as far as the source tells it."""
        if self._live is not None:
            return self._live.started_at or self._live.info.created_at
        if self._video is not None:
            return self._video.info.created_at
        # A live source that could not be reached.
        is_live = isinstance(self._source, (str, Path)) and _is_live(str(self._source))
        return datetime.now(UTC) if is_live else None

    def _open_live(self, source: str) -> LiveSource:
        from fitsense.video.live import LiveSource

        model = self._model
        self._live = LiveSource(
            source,
            model.short_side,
            self._live_config,
            zoom=self._zoom,
            min_interval_s=min_interval_s(model.clips.values()),
            hwaccel=self._hwaccel,
            threads=model.threads,
            track=self._track,
            stop=self._stop,
        )
        return self._live

    def _open_file(self, source: str | Path | BinaryIO) -> Prefetcher[Frame | SourceWarning]:
        from fitsense.video.prefetch import Prefetcher
        from fitsense.video.source import VideoSource

        self._video = VideoSource(
            source,
            self._model.short_side,
            zoom=self._zoom,
            min_interval_s=min_interval_s(self._model.clips.values()),
            hwaccel=self._hwaccel,
            threads=self._model.threads,
            track=self._track,
            stop=self._stop,
        )
        self._ahead = Prefetcher(self._video.items(), self._video.close, stop=self._stop)
        return self._ahead

    @property
    def _zoom(self) -> float:
        return zoom_for(self._config.region, people=self._detect is not None)

    def _paced(self, items: Iterable[Frame | SourceWarning]) -> Iterator[Frame | SourceWarning]:
        """The same, each frame not before its time has come."""
        origin_s: float | None = None
        for item in items:
            if isinstance(item, Frame):
                if origin_s is None:
                    origin_s = time.monotonic() - item.time_s
                while not self._stop.requested and (left_s := origin_s + item.time_s - time.monotonic()) > 0:
                    time.sleep(min(left_s, _POLL_S))
            yield item

    def _free(self) -> None:
        for source in (self._ahead, self._live):
            if source is not None:
                source.close()


def analyze(
    source: Source,
    *,
    model: Model | None = None,
    config: SessionConfig | None = None,
    hop_s: float | None = None,
    live: LiveConfig | None = None,
    realtime: bool = False,
    region: Region | None = None,
    people: str | None = None,
    hwaccel: str | None = None,
    track: int | None = None,
    source_uri: str | None = None,
    started_at: datetime | None = None,
    exercises: Iterable[str] | None = None,
    expected: str | None = None,
) -> Analysis:
    """Analyse a video: iterate over what this gives for its events.

    :param source: a file's path, a URL, ``camera:0``, ``-`` for standard input, a FIFO's path, a binary file object,
        or an iterable of :class:`fitsense.Frame`. A file object is read from its beginning if it is seekable, from
        where it stands if not, and stays open. A pipe has to hold a format that can be streamed, such as .ts or .mkv.
    :param model: None for the bundle that comes with fitsense.
    :param config: None for the defaults. Where its ``started_at`` is None, media time 0 is, for the events' ``time``,
        when a camera or stream was opened, or a file's creation time, where its metadata has one.
    :param hop_s: seconds between predictions, instead of the config's.
    :param live: how cameras and streams are read, which is in a thread; None for the defaults.
    :param realtime: take no frame before its time, so that a file comes as a camera would show it.
    :param region: where in the picture to look, instead of the config's.
    :param people: a detector's name, such as ``pose/people``: everybody whom it finds is followed, and has a session of
        their own, whose events carry their name as ``subject``. Without anybody, there are no events.
    :param hwaccel: hardware to decode the source by, as FFmpeg calls it: ``cuda``, ``vaapi``, ``videotoolbox``,
        ``d3d11va``, …, or ``cuda:1`` for the second. Where it is not there or cannot, the CPU decodes, and a
        ``session.warning`` says why.
    :param track: which of a file's video tracks to read: its number among them, from 0 and without attached pictures.
        None for the one that players take: the default one, or else the largest one.
    :raises InvalidInputError: at once, if `source` is nothing that can be analysed, or has no such track, or the bundle
        has no such exercise.
    :param source_uri: URI reference that names the source in its events, instead of the config's. Without either, a
        file is named by its name and a digest of its content, and each session of a camera or stream gets a new name.
    :param started_at: wall-clock time of media time 0, with a time zone, instead of the config's.
    :param exercises: the only exercises that may be named, instead of the config's.
    :param expected: the exercise that a guided workout asks for, instead of the config's.
    :raises WeightsError: the detector needs files of others, which have not been fetched.
    :raises SourceError: at once, if the source cannot be read at all. A source that breaks later gives a
        ``session.warning`` and ends the session; the events before it stand.
    """
    analysis = Analysis(
        source,
        model or load_model(),
        config=config,
        hop_s=hop_s,
        live=live,
        realtime=realtime,
        region=region,
        people=people,
        hwaccel=hwaccel,
        track=track,
        source_uri=source_uri,
        started_at=started_at,
        exercises=exercises,
        expected=expected,
    )
    analysis.open()
    return analysis


def zoom_for(region: Region | None, *, people: bool) -> float:
    """How many times smaller than the picture what is looked at may be: a region, or one of several people."""
    if people:
        return _PEOPLE_ZOOM
    return 1.0 if region is None else max(1.0, 1 / max(region.right - region.left, region.bottom - region.top))


def _check_track(source: Source, track: int | None) -> None:
    if track is None:
        return
    if not (isinstance(source, (str, Path)) or is_file(source)):
        raise InvalidInputError(f"track: expected none for a source of frames, got {track!r}")
    if isinstance(track, bool) or not isinstance(track, int) or track < 0:
        raise InvalidInputError(f"track: expected the number of a video track, from 0, got {track!r}")


def _is_live(source: str) -> bool:
    from fitsense.video.opening import is_live

    return is_live(source)


def _source_uri(source: Source) -> str | None:
    """The name of a source in its events; None for frames."""
    if is_file(source):
        return object_uri(source)
    if not isinstance(source, (str, Path)):
        return None
    if _is_live(str(source)):
        return stream_uri(str(source))
    return file_uri("/dev/stdin" if source == "-" else source)
