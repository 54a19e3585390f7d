"""The folder of results: the events and the outcome of each video, and tables of all videos.

::

    outcomes.ndjson               one line per video
    events/ID.ndjson              its events
    tables/segments.parquet       \\
    tables/sets.parquet            > of all videos
    tables/muscle_load.parquet    /
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from fitsense._internal.atomic import atomic_path
from fitsense.errors import FitsenseError
from fitsense.fleet.library import Video
from fitsense.fleet.outcome import Analysis, Outcome
from fitsense.fleet.tables import write_tables

OUTCOMES = "outcomes.ndjson"
EVENTS = "events"
TABLES = "tables"


class Results:
    """A folder of results. The results of a video are stored completely or not at all.

    :param folder: folder, which is created if it is missing.
    :raises FitsenseError: the folder cannot be created or read.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        try:
            for each in (EVENTS, TABLES):
                (folder / each).mkdir(parents=True, exist_ok=True)
            self._outcomes = {outcome.id: outcome for outcome in _read(folder / OUTCOMES)}
            # Remove a truncated last line, which the next one would be appended to.
            self._write_outcomes()
        except OSError as error:
            raise FitsenseError(f"{folder}: cannot hold results: {error.strerror or error}") from error

    @property
    def outcomes(self) -> Mapping[str, Outcome]:
        """All outcomes by video id."""
        return self._outcomes

    def events_of(self, id: str) -> Path:
        """Path of the events of a video; the file may be missing."""
        return self._folder / EVENTS / f"{id}.ndjson"

    def standing(self, video: Video, analysis: Analysis) -> Outcome | None:
        """The outcome of this version of a video in the same analysis; None if it or its events are missing."""
        outcome = self._outcomes.get(video.id)
        if outcome is None or (outcome.version, outcome.analysis) != (video.version, analysis.digest):
            return None
        try:
            size = self.events_of(video.id).stat().st_size
        except OSError:
            size = 0
        return outcome if size == outcome.bytes else None

    def put(self, outcome: Outcome, events: str) -> None:
        """Store the outcome and the events of a video in place of earlier ones."""
        file = self.events_of(outcome.id)
        if events:
            with atomic_path(file) as temporary:
                temporary.write_text(events, "utf-8", newline="")
        else:
            file.unlink(missing_ok=True)
        with (self._folder / OUTCOMES).open("a", encoding="utf-8") as stream:
            stream.write(outcome.to_json() + "\n")
        self._outcomes[outcome.id] = outcome

    def finish(self) -> None:
        """Rewrite the outcomes in order and without duplicates, and write the tables."""
        self._write_outcomes()
        videos = [(one, self.events_of(one.id)) for one in self._in_order()]
        write_tables(self._folder / TABLES, [(one, file) for one, file in videos if file.exists()])

    def _in_order(self) -> list[Outcome]:
        return sorted(self._outcomes.values(), key=lambda outcome: (outcome.url, outcome.id))

    def _write_outcomes(self) -> None:
        with atomic_path(self._folder / OUTCOMES) as temporary, temporary.open("w", encoding="utf-8") as stream:
            stream.writelines(outcome.to_json() + "\n" for outcome in self._in_order())


def _read(file: Path) -> Iterable[Outcome]:
    """The outcomes in a file, the newest last. A malformed line is skipped: its video will be analysed again."""
    if not file.exists():
        return
    for line in file.read_text("utf-8", "replace").splitlines():
        try:
            yield Outcome.from_json(line)
        except ValueError:
            continue
