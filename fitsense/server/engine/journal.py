"""The journal of a session: what the next process needs to continue the session after a crash."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Sequence
from datetime import datetime

import attrs
import numpy as np

from fitsense.events.model import Event
from fitsense.server.engine.session_files import SavedAnalysis, SavedSession, SessionFiles, SessionRecord
from fitsense.server.log import LOGGER, fields
from fitsense.session.summary import Reason

UNSAVED = "the session cannot be written to state_dir, and would not survive a crash"
"""Message of the log."""


class Journal:
    """Writes the events of a session before clients receive them, and a snapshot from time to time.

    After a restart, the analysis continues from the newest snapshot, which is older than the newest events. If the
    client pushes the frames again, their events are the same as before and are left out. As soon as an event differs,
    since frames are missing, the session continues with the number that follows the newest event, so that no number
    has two events.

    If the files cannot be written, the session continues without them. The worker's thread uses a journal, except
    for :meth:`end` and :meth:`remove`, which follow its last use there.

    :param interval_s: shortest wall-clock time between two snapshots, in seconds.
    :param saved: the session as the previous process left it; None for a new one.
    """

    def __init__(
        self, files: SessionFiles, record: SessionRecord, interval_s: float, saved: SavedSession | None = None
    ) -> None:
        self._files: SessionFiles | None = files
        self._record = record
        self._interval_s = interval_s
        self._saved_s: float | None = None
        self._known: dict[int, str] = {}
        self._next = 0
        self._logger = logging.getLogger(LOGGER)
        if saved is not None and saved.events:
            self._next = int(json.loads(saved.events[-1])["id"]) + 1
            # Of a session without an analysis, all events may come again.
            first = saved.analysis.next_event if saved.analysis is not None else 0
            events = enumerate(saved.events, self._next - len(saved.events))
            self._known = {number: line for number, line in events if number >= first}
        try:
            files.save_record(record)
        except OSError:
            self._give_up()

    def record(self, events: Sequence[Event], skip_events: Callable[[int], None]) -> Sequence[Event]:
        """Write events.

        :param skip_events: makes the session leave out this many numbers.
        :return: the new ones, for clients, with their numbers.
        """
        new: list[Event] = []
        shift = 0
        for event in events:
            if event.sequence + shift < self._next:
                if not shift and self._known.pop(event.sequence, None) == event.to_json():
                    continue
                shift = self._next - event.sequence
                self._known.clear()
                skip_events(shift)
            new.append(attrs.evolve(event, sequence=event.sequence + shift) if shift else event)
        if new:
            self._next = new[-1].sequence + 1
            self._known.clear()
            self._append(new)
        return new

    def save_if_due(
        self, frames: int, items: int, dropped: int, time_s: float, take_snapshot: Callable[[], bytes]
    ) -> None:
        """Write a snapshot if the last one is old enough; the first follows the first frame.

        The parameters are those of :class:`SavedAnalysis`.
        """
        if self._files is None:
            return
        if self._saved_s is not None and time.monotonic() - self._saved_s < self._interval_s:
            return
        # Events that are known already have not come again yet.
        next_event = min(self._known, default=self._next)
        session = np.frombuffer(take_snapshot(), dtype=np.uint8)
        try:
            self._files.save_analysis(SavedAnalysis(frames, items, dropped, time_s, next_event, session))
        except OSError:
            self._give_up()
        # The interval begins here, so that a slow disk does not take all time.
        self._saved_s = time.monotonic()

    def end(self, reason: Reason, frames: int, dropped: int, now: datetime) -> None:
        """Keep the events only: the session has ended."""
        if self._files is None:
            return
        self._record = attrs.evolve(self._record, reason=reason, ended_at=now, frames=frames, dropped=dropped)
        try:
            self._files.save_record(self._record)
        except OSError:
            self._give_up()
            return
        self._files.drop_analysis()
        self._files.close()

    def remove(self) -> None:
        """Remove the files: the session is forgotten."""
        if self._files is not None:
            self._files.remove()
        self._files = None

    def _append(self, events: Sequence[Event]) -> None:
        if self._files is None:
            return
        try:
            self._files.append([event.to_json() for event in events])
        except OSError:
            self._give_up()

    def _give_up(self) -> None:
        """Remove the files after an error that is being handled: without all events they would be wrong."""
        self._logger.exception(UNSAVED, extra=fields(session=self._record.id))
        self.remove()
