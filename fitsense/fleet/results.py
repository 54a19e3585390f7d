"""The folder of results: each video's events, a line for each of what became of it, and tables over all.

::

    outcomes.ndjson               a line a video
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
    """What a folder holds, and what is added to it. A video's results are there whole or not at all.

    :param folder: made if it is not there.
    :raises FitsenseError: it cannot be made or read.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        try:
            for each in (EVENTS, TABLES):
                (folder / each).mkdir(parents=True, exist_ok=True)
            self._outcomes = {outcome.id: outcome for outcome in _read(folder / OUTCOMES)}
            # Without a line that was cut off, which the next one would be joined to.
            self._write_outcomes()
        except OSError as error:
            raise FitsenseError(f"{folder}: cannot hold results: {error.strerror or error}") from error

    @property
    def outcomes(self) -> Mapping[str, Outcome]:
        """By the videos' ids."""
        return self._outcomes

    def events_of(self, id: str) -> Path:
        """The file of a video's events; it may be missing."""
        return self._folder / EVENTS / f"{id}.ndjson"

    def standing(self, video: Video, analysis: Analysis) -> Outcome | None:
        """What became of this version of a video in the same analysis, if that is known and its events are there."""
        outcome = self._outcomes.get(video.id)
        if outcome is None or (outcome.version, outcome.analysis) != (video.version, analysis.digest):
            return None
        try:
            size = self.events_of(video.id).stat().st_size
        except OSError:
            size = 0
        return outcome if size == outcome.bytes else None

    def put(self, outcome: Outcome, events: str) -> None:
        """Keep what became of a video, and its events, instead of what was known of it."""
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
        """Write the outcomes in order, each once, and the tables."""
        self._write_outcomes()
        videos = [(one, self.events_of(one.id)) for one in self._in_order()]
        write_tables(self._folder / TABLES, [(one, file) for one, file in videos if file.exists()])

    def _in_order(self) -> list[Outcome]:
        return sorted(self._outcomes.values(), key=lambda outcome: (outcome.url, outcome.id))

    def _write_outcomes(self) -> None:
        with atomic_path(self._folder / OUTCOMES) as temporary, temporary.open("w", encoding="utf-8") as stream:
            stream.writelines(outcome.to_json() + "\n" for outcome in self._in_order())


def _read(file: Path) -> Iterable[Outcome]:
    """The outcomes of a file, the newest last; a line that is none costs its video one more analysis."""
    if not file.exists():
        return
    for line in file.read_text("utf-8", "replace").splitlines():
        try:
            yield Outcome.from_json(line)
        except ValueError:
            continue
