"""Analysis of one source: runs a session on its frames, and yields the events."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Unpack

import attrs

from fitsense._internal.stopping import StopFlag
from fitsense.errors import InvalidInputError, SchemaError, SourceError
from fitsense.events.model import Event
from fitsense.expectation import Expectation
from fitsense.geometry import Region
from fitsense.imaging.frame_rate import min_interval_s
from fitsense.inference.model import Model, load_model
from fitsense.pipeline.checkpoint import MAX_EVENTS, Checkpoint, CheckpointFile, SourcePosition, snapshot_array
from fitsense.pipeline.options import AnalysisOptions, check_option_names, session_config
from fitsense.pipeline.source_input import SourceInput, paced
from fitsense.pose.recording import PoseRecording
from fitsense.session.session import Reason, Session
from fitsense.types import Frame
from fitsense.video.config import DecodeConfig
from fitsense.video.inputs import Source, checked_source

if TYPE_CHECKING:
    from fitsense.inference.people import PeopleSource
    from fitsense.session.tracked import TrackedSession
    from fitsense.video.source import SourceWarning

# A person this many times smaller than the picture is still decoded at the size that the model expects.
_PEOPLE_ZOOM = 2.5
# Default of `snapshot_interval_s`.
_SNAPSHOT_INTERVAL_S = 10.0


class Analysis(Iterator[Event]):
    """Iterator over the events of a source; made by :func:`analyze`.

    The first event, or :meth:`open`, opens the source. If that fails, the events are those of a failed session.

    :param source: as for :func:`analyze`.
    :param model: the model, which analyses may share.
    :param options: see :class:`AnalysisOptions`.
    :raises InvalidInputError: `source` cannot be analysed, or an option is invalid.
    :raises WeightsError: what finds ``people`` needs third-party files that cannot be fetched.
    """

    def __init__(self, source: Source, model: Model, **options: Unpack[AnalysisOptions]) -> None:
        check_option_names(options)
        self._stop = StopFlag()
        self._input = SourceInput(checked_source(source), options, self._stop)
        # Otherwise the source is named by its content, which is read when it is opened.
        self._is_named = options.get("config") is not None or options.get("source_uri") is not None
        self._config = session_config(options)
        # Labels that the bundle does not know are refused before the source is opened.
        Expectation.of(model.labels.exercise, self._config.exercises, self._config.expected)
        self._people: PeopleSource | None = None
        if (people := options.get("people")) is not None:
            from fitsense.inference.people import load_people

            if self._config.region is not None:
                raise InvalidInputError(f"people: expected no region beside it, got {self._config.region}")
            self._people = load_people(people, model.plugins, threads=model.threads)
        self._model = model
        self._options = options
        self._reason: Reason | None = None
        self._items: Iterable[Frame | SourceWarning] | None = None
        self._media_s = 0.0
        self._session: Session | TrackedSession | None = None
        self._checkpoints: CheckpointFile | None = None
        self._resumed: Checkpoint | None = None
        # Counts of the source's items, and of this process's events.
        self._analysed = self._yielded = 0
        if (path := options.get("snapshot_to")) is not None:
            self._input.check_repeatable()
            self._checkpoints = CheckpointFile(path, options.get("snapshot_interval_s", _SNAPSHOT_INTERVAL_S))
            self._resume()
        # For the report in a notebook; a source without an end would fill the memory.
        self._taken: list[Event] = []
        self._poses: PoseRecording | None = None
        self._events = self._run()

    def __next__(self) -> Event:
        event = next(self._events)
        if not self._input.is_live:
            self._taken.append(event)
        return event

    def _repr_html_(self) -> str | None:
        """The report of the events so far, for notebooks; None before the first and for live sources."""
        if not self._taken:
            return None
        from fitsense.events.log import read_log
        from fitsense.report.notebook import embedded
        from fitsense.report.totals import reports_of

        try:
            reports = reports_of(read_log(event.to_json() for event in self._taken))
        except SchemaError:
            # Nothing to report yet.
            return None
        return embedded(reports, reports[0].name)

    def record_poses(self) -> PoseRecording:
        """Record the poses of the person, or of all people, from now on; nothing is recorded without landmarks."""
        self._poses = self._poses or PoseRecording()
        return self._poses

    @property
    def media_s(self) -> float:
        """Media time of the newest frame, in seconds."""
        return self._media_s

    @property
    def duration_s(self) -> float | None:
        """Length of the source in seconds; None if unknown."""
        return self._input.duration_s

    @property
    def resumed(self) -> bool:
        """True if the analysis continues one whose process ended, see ``snapshot_to``."""
        return self._resumed is not None

    @property
    def reason(self) -> Reason | None:
        """Reason of the end, as in ``session.ended``; None until the end. Set even without any session."""
        return self._reason

    def open(self) -> None:
        """Open the source; no effect if it is open.

        :raises SourceError: the source cannot be read at all.
        """
        if self._items is not None:
            return
        items = self._input.open(self._decode_config())
        if self._resumed is not None:
            resumed = self._resumed
            self._analysed = resumed.items
            position = SourcePosition(resumed.items, resumed.media_s, resumed.opened_at)
            items = position.following(items, self._input.opened_at)
        self._items = paced(items, self._stop) if self._options.get("realtime") else items

    def stop(self) -> None:
        """End soon with a ``session.ended`` whose reason is ``interrupted``. Signal handlers may call it."""
        self._stop.set()

    def close(self) -> None:
        """Close the source and discard the remaining events."""
        if self._reason is not None:
            # The session has ended, whether or not its last events were taken.
            self._clear_checkpoint()
        self._events.close()
        self._input.close()

    def _record(self, session: Session | TrackedSession) -> None:
        if self._poses is None:
            return
        found = {None: session.pose} if isinstance(session, Session) else session.poses
        for subject, pose in found.items():
            self._poses.add(pose, subject)

    def _run(self) -> Generator[Event, None, None]:
        try:
            if not self._stop.requested:
                self._open_or_stop()
            session = self._begin()
            for item in self._items or ():
                if isinstance(item, Frame):
                    if self._stop.requested:
                        break
                    self._media_s = item.time_s
                    events = session.push(item)
                    self._record(session)
                else:
                    events = session.warn(item.code, item.message)
                yield from events
                # The caller has taken the events: it asked for more.
                self._analysed += 1
                self._yielded += len(events)
                self._save_if_due(session)
            self._reason = "interrupted" if self._stop.requested else "finished"
            yield from self._finish(session, self._reason)
        except Exception:
            # Events so far stay valid, and the session ends properly, whatever failed.
            self._reason = "failed"
            yield from self._finish(self._begin(), self._reason)
            raise
        finally:
            self._input.close()

    def _finish(self, session: Session | TrackedSession, reason: Reason) -> Iterator[Event]:
        yield from session.finish(reason)
        self._clear_checkpoint()

    def _clear_checkpoint(self) -> None:
        if self._checkpoints is not None:
            self._checkpoints.clear()

    def _save_if_due(self, session: Session | TrackedSession) -> None:
        if self._checkpoints is None or not self._checkpoints.is_due(self._yielded):
            return
        checkpoint = Checkpoint(
            source=self._input.digest(),
            config=self._config,
            people=self._options.get("people"),
            items=self._analysed,
            media_s=self._media_s,
            opened_at=self._opened_at,
            session=snapshot_array(session.snapshot()),
        )
        self._checkpoints.save(checkpoint, self._yielded)

    @property
    def _opened_at(self) -> datetime | None:
        """Wall-clock time of media time 0 of a live source, also over several processes."""
        if self._resumed is not None:
            return self._resumed.opened_at
        return self._input.opened_at

    def _open_or_stop(self) -> None:
        try:
            self.open()
        except SourceError:
            # A source that is stopped while it is opened has no frames: the caller asked for that.
            if not self._stop.requested:
                raise

    def _begin(self) -> Session | TrackedSession:
        """The session, created once the source is open or has failed to open, since its start time is known then."""
        if self._session is None:
            config = self._config
            if not self._is_named and (name := self._input.uri()) is not None:
                config = attrs.evolve(config, source=name)
            if config.started_at is None:
                config = attrs.evolve(config, started_at=self._input.starts_at())
            if self._people is None:
                self._session = Session(self._model, config)
            else:
                from fitsense.session.tracked import TrackedSession

                self._session = TrackedSession(self._model, self._people, config)
        return self._session

    def _resume(self) -> None:
        """Continue the session of the checkpoint, if there is one."""
        assert self._checkpoints is not None
        checkpoint = self._checkpoints.load()
        if checkpoint is None:
            return
        with self._checkpoints.explained():
            checkpoint.check(self._input.digest(), self._config, self._options.get("people"))
            snapshot = checkpoint.session.tobytes()
            # Frames of a camera do not come again, so that the numbers of lost events stay lost.
            skip_events = 0 if checkpoint.opened_at is None else MAX_EVENTS
            if self._people is None:
                self._session = Session.resume(self._model, snapshot, skip_events=skip_events)
            else:
                from fitsense.session.tracked import TrackedSession

                self._session = TrackedSession.resume(self._model, self._people, snapshot, skip_events=skip_events)
        self._resumed, self._media_s = checkpoint, checkpoint.media_s

    def _decode_config(self) -> DecodeConfig:
        model = self._model
        return DecodeConfig(
            short_side=model.short_side,
            zoom=zoom_for(self._config.region, people=self._people is not None),
            min_interval_s=min_interval_s(model.clips.values()),
            hwaccel=self._options.get("hwaccel"),
            threads=model.threads,
            track=self._options.get("track"),
        )


def analyze(source: Source, *, model: Model | None = None, **options: Unpack[AnalysisOptions]) -> Analysis:
    """Analyse a video: iterate over the result for its events.

    :param source: a file's path, a URL, ``camera:0``, ``-`` for standard input, a FIFO's path, a binary file object,
        or an iterable of :class:`fitsense.Frame`. A seekable file object is read from its beginning, any other from its
        current position; it stays open. A pipe must carry a format that can be streamed, such as .ts or .mkv.
    :param model: None for the default bundle.
    :param options: see :class:`fitsense.AnalysisOptions`.
    :raises InvalidInputError: `source` cannot be analysed, has no such track, an option is invalid, or the bundle
        does not know an exercise.
    :raises WeightsError: what finds ``people`` needs third-party files that cannot be fetched.
    :raises SourceError: the source cannot be read at all. A source that breaks later causes a ``session.warning`` and
        ends the session; earlier events stay valid.
    """
    analysis = Analysis(source, model or load_model(), **options)
    analysis.open()
    return analysis


def zoom_for(region: Region | None, *, people: bool) -> float:
    """Zoom at which to decode: how many times larger than the analysed part (a region or a person) the picture is."""
    if people:
        return _PEOPLE_ZOOM
    return 1.0 if region is None else max(1.0, 1 / max(region.right - region.left, region.bottom - region.top))
