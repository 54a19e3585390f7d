"""Options of an analysis: one list for every function and class that analyses sources."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

import attrs

from fitsense._internal.suggestions import suggestion
from fitsense.geometry import Region
from fitsense.session.config import SessionConfig

if TYPE_CHECKING:
    from fitsense.video.live import LiveConfig


class AnalysisOptions(TypedDict, total=False):
    """Keyword arguments of :func:`fitsense.analyze`, :func:`fitsense.analyze_async` and :class:`fitsense.SourceGroup`.

    :param config: configuration of the session; None for the defaults. Where its ``started_at`` is None, media time 0
        is the time at which a camera or stream was opened, or the creation time in a file's metadata, if it has one.
    :param hop_s: seconds between predictions; overrides the config's.
    :param live: how cameras and network streams are read; None for the defaults.
    :param realtime: whether to delay each frame until its time, so that a file is analysed at the pace of a camera.
    :param region: part of the picture to analyse; overrides the config's.
    :param people: name of what finds people, such as ``pose/people``: each person is tracked and has a session,
        whose events carry the track's name as ``subject``. If nobody is found, there is only
        ``session.progress``.
    :param hwaccel: hardware decoder, by FFmpeg's name: ``cuda``, ``vaapi``, ``videotoolbox``, ``d3d11va``, …, or
        ``cuda:1`` for the second device. If it is missing or cannot decode the source, the CPU decodes, and a
        ``session.warning`` gives the reason.
    :param track: index of a file's video track, from 0 and without attached pictures. None for the track that players
        choose: the default one, else the largest.
    :param source_uri: URI reference for the ``source`` of the events; overrides the config's. Without either, a file
        is named by its file name and a digest of its content, and each session of a camera or stream gets a new name.
    :param started_at: wall-clock time of media time 0, with a time zone; overrides the config's.
    :param exercises: labels of the only exercises that may be named; overrides the config's.
    :param expected: label of the exercise that a guided workout asks for; overrides the config's.
    :param snapshot_to: file that keeps the state of the analysis; its folder must exist. The same call after a crash
        continues the session: a file, or the same frames, are read again up to there; a camera or stream continues
        after a gap. Events since the last snapshot come again with the same ``id``, except those of a camera or
        stream, which leave out numbers instead. The file is removed when the session ends. None for no file.
    :param snapshot_interval_s: shortest wall-clock time between two snapshots, in seconds; 10 by default.
    """

    config: SessionConfig | None
    hop_s: float | None
    live: LiveConfig | None
    realtime: bool
    region: Region | None
    people: str | None
    hwaccel: str | None
    track: int | None
    source_uri: str | None
    started_at: datetime | None
    exercises: Iterable[str] | None
    expected: str | None
    snapshot_to: str | Path | None
    snapshot_interval_s: float


def check_option_names(options: Mapping[str, Any]) -> None:
    """Refuse keyword arguments that are not options, as a signature would.

    :raises TypeError: an argument has no such name.
    """
    for name in options:
        if name not in AnalysisOptions.__annotations__:
            known = AnalysisOptions.__annotations__
            hint = suggestion(name, known)
            raise TypeError(f"unexpected keyword argument: expected one of {', '.join(known)}, got {name!r}{hint}")


def session_config(options: AnalysisOptions) -> SessionConfig:
    """The session's configuration, with the options that override its fields."""
    overrides: dict[str, Any] = {
        "source": options.get("source_uri"),
        "started_at": options.get("started_at"),
        "hop_s": options.get("hop_s"),
        "region": options.get("region"),
        "exercises": options.get("exercises"),
        "expected": options.get("expected"),
    }
    given = {name: value for name, value in overrides.items() if value is not None}
    config = options.get("config") or SessionConfig()
    return attrs.evolve(config, **given)
