"""Sessions on untrimmed videos: sets of exercises with pauses between them.

Videos are rendered, or joined from recorded clips. Iterating one gives its frames; it has its ground truth.
"""

from __future__ import annotations

import hashlib
import itertools
import math
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import attrs
import numpy as np

from fitsense._internal.hashing import fingerprint
from fitsense._internal.progress import ProgressBar, silent
from fitsense.catalogue import IDLE, UNKNOWN
from fitsense.data.manifest import ClipItem, Skipped
from fitsense.errors import FitsenseError, InvalidInputError
from fitsense.evaluate.kept_results import KeptResults, digest_of_analysis
from fitsense.evaluate.labelled_videos import video_duration_s
from fitsense.evaluate.segment_metrics import PredictedSegment, Segment, VideoResult, summarise
from fitsense.events.model import Event, ExerciseEnded, ExerciseStarted
from fitsense.inference.model import Model
from fitsense.session.config import SessionConfig
from fitsense.session.session import Session
from fitsense.synthetic.figures import EXERCISES, Bout, FigureVideo, random_video
from fitsense.types import Frame, UInt8Array
from fitsense.video.config import DecodeConfig
from fitsense.video.source import VideoSource

# Seconds: a set, a pause, and what a stream has at least.
_SET_S = (8.0, 30.0)
_PAUSE_S = (4.0, 8.0)
_STREAM_S = 75.0
# A clip that is short even so often makes a short set.
_MAX_REPEATS = 3
_HELD_RATE_HZ = 15.0
# A cut is noticed within so many seconds.
_SEAM_S = 0.5
# Frames closer than this are the same moment.
_TOLERANCE_S = 1e-6
# Half the height, in metres, that a rendered stream's picture shows: the figure fits in, standing and lying.
_REACH_M = (1.15, 1.45)
# Training renders figures of low seeds.
_FIRST_SEED = 1_000_000
_RENDERED_SETS = 4


class UntrimmedVideo(Protocol):
    """An untrimmed video with ground truth; iterating gives its frames, the same ones each time."""

    @property
    def truth(self) -> Sequence[Segment]:
        """Segments of exercises; the rest is idle."""

    @property
    def unlabelled(self) -> Sequence[tuple[float, float]]:
        """Intervals without ground truth, start and end in seconds."""

    @property
    def seams(self) -> Sequence[float]:
        """Times in seconds at which the video of a set begins anew: a cut that only this evaluation makes."""

    @property
    def duration_s(self) -> float:
        """Length in seconds."""

    @property
    def fingerprint(self) -> str:
        """Digest of what the frames are made of; equal for equal frames."""

    def __iter__(self) -> Iterator[Frame]: ...


@attrs.frozen
class StreamRun:
    """Segments that a session emitted for a video.

    :param stream: the video's fingerprint.
    :param analysis: digest of the bundle and the session's configuration.
    :param predicted: the segments.
    """

    stream: str
    analysis: str
    predicted: list[PredictedSegment]


class StreamRuns(KeptResults[StreamRun]):
    """Results of earlier runs, and a JSON Lines file to which further ones are appended.

    :param file: None to keep nothing.
    :raises InvalidInputError: the file holds something else.
    """

    def __init__(self, file: Path | None) -> None:
        super().__init__(StreamRun, lambda run: (run.stream, run.analysis), file)


def session_quality(
    model: Model,
    streams: Sequence[UntrimmedVideo],
    config: SessionConfig | None = None,
    track: ProgressBar = silent,
    *,
    kept: StreamRuns | None = None,
) -> dict[str, Any]:
    """Metrics of sessions on videos, as a JSON object.

    They are those of :func:`fitsense.evaluate.segment_metrics.summarise`; ``runs`` lists the true and the predicted
    segments of each video.

    :param kept: results of earlier runs, which are not computed again.
    """
    config, kept = config or SessionConfig(), kept or StreamRuns(None)
    analysis = digest_of_analysis(model, config)
    results = []
    for stream in track(streams, "Streams"):
        key = stream.fingerprint
        run = kept.get((key, analysis))
        if run is None:
            run = StreamRun(key, analysis, run_session(model, stream, config))
            kept.add(run)
        predicted = _joined_at(stream.seams, run.predicted)
        results.append(VideoResult(stream.truth, predicted, stream.duration_s, stream.unlabelled))
    return {**summarise(results), "runs": [attrs.asdict(result) for result in results]}


def run_session(model: Model, stream: UntrimmedVideo, config: SessionConfig) -> list[PredictedSegment]:
    """Run a session on a video; return the segments that it emits, with the times of their events."""
    session = Session(model, config)
    emitted: list[tuple[Event, float]] = []
    now_s = 0.0
    for frame in stream:
        now_s = frame.time_s
        emitted += [(event, now_s) for event in session.push(frame)]
    emitted += [(event, now_s) for event in session.finish()]
    return _segments(emitted)


def _joined_at(seams: Sequence[float], segments: Sequence[PredictedSegment]) -> list[PredictedSegment]:
    """Segments in order, where those of one exercise that meet at a seam are one: sessions end segments at cuts."""
    joined: list[PredictedSegment] = []
    for segment in segments:
        before = joined[-1] if joined else segment
        parted = before is not segment and before.exercise == segment.exercise
        if parted and any(abs(at_s - before.end_s) <= _SEAM_S >= abs(at_s - segment.start_s) for at_s in seams):
            joined[-1] = attrs.evolve(before, end_s=segment.end_s, end_reported_s=segment.end_reported_s)
        else:
            joined.append(segment)
    return joined


def _segments(emitted: Sequence[tuple[Event, float]]) -> list[PredictedSegment]:
    """Segments of a session's events; each ends before the next starts."""
    segments, started_s = [], 0.0
    for event, now_s in emitted:
        match event.data:
            case ExerciseStarted():
                started_s = now_s
            case ExerciseEnded(exercise=exercise, start_s=start_s, end_s=end_s):
                segments.append(PredictedSegment(exercise, start_s, end_s, started_s, now_s))
    return segments


@attrs.frozen
class RenderedVideo:
    """A rendered person who exercises, with pauses."""

    video: FigureVideo

    @property
    def truth(self) -> list[Segment]:
        """Segments of exercises; getting into posture is idle."""
        return [Segment(part.exercise, part.start_s, part.end_s) for part in self.video.segments]

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return self.video.duration_s

    @property
    def unlabelled(self) -> Sequence[tuple[float, float]]:
        """No interval."""
        return ()

    @property
    def seams(self) -> Sequence[float]:
        """No time."""
        return ()

    @property
    def fingerprint(self) -> str:
        """Digest of what the frames are made of."""
        return hashlib.sha256(repr(self.video).encode()).hexdigest()

    def __iter__(self) -> Iterator[Frame]:
        return iter(self.video)


def rendered_videos(count: int, known: Collection[str], *, seed: int = 0) -> list[RenderedVideo]:
    """Streams of 1-2 minutes, each of another figure in another room, from another side; none was trained on.

    :param known: the labels of the model; only exercises among them are done.
    :raises InvalidInputError: a figure can do none of them.
    """
    exercises = [exercise for exercise in EXERCISES if exercise in known]
    if not exercises:
        raise InvalidInputError(f"known: expected one of {', '.join(EXERCISES)} at least, got {', '.join(known)}")
    return [RenderedVideo(_rendered(exercises, [seed, index])) for index in range(count)]


def _rendered(exercises: Sequence[str], seed: Sequence[int]) -> FigureVideo:
    random = np.random.default_rng(seed)
    figure = random_video(IDLE, _FIRST_SEED + int(random.integers(_FIRST_SEED)))
    order = [exercises[i] for i in random.permutation(len(exercises))]
    order += [str(exercise) for exercise in random.choice(exercises, max(0, _RENDERED_SETS - len(order)))]
    bouts = [_pause(random)]
    for exercise in order:
        tempo_s = random.uniform(0.9, 1.6) if exercise == "jumping_jack" else random.uniform(1.6, 3.4)
        set_s = random.uniform(_SET_S[0], _SET_S[1] / 2)
        bouts += [Bout(exercise, math.ceil(set_s / tempo_s), tempo_s), _pause(random)]
    half_angle = math.radians(figure.camera.field_of_view_deg / 2)
    camera = attrs.evolve(
        figure.camera,
        distance_m=random.uniform(*_REACH_M) / math.tan(half_angle),
        target=(random.uniform(-0.2, 0.2), random.uniform(0.75, 0.95), 0.0),
    )
    return attrs.evolve(figure, bouts=bouts, camera=camera)


def _pause(random: np.random.Generator) -> Bout:
    return Bout(IDLE, 0, random.uniform(*_PAUSE_S))


@attrs.frozen
class Piece:
    """A stretch of a joined stream.

    :param exercise: label of the clip; ``no_exercise`` for a pause.
    :param path: the video that is played, again and again, until the stretch is over; None holds the picture before.
    :param duration_s: length in seconds.
    :param clip_s: length of the video, after which it begins anew; infinite if it does not.
    """

    exercise: str
    path: Path | None
    duration_s: float
    clip_s: float = math.inf


@attrs.frozen
class JoinedVideo:
    """Real clips, one after the other. Iterating decodes them, one frame at a time.

    :param pieces: pieces in order; the first one has a video.
    :param side: pixels to which the shorter side of pictures is scaled. They keep their shape, since landmarks need the
        whole body; their size changes from clip to clip, as sessions allow.
    """

    pieces: Sequence[Piece] = attrs.field()
    side: int

    @pieces.validator
    def _begins_with_a_picture(self, attribute: attrs.Attribute[Any], value: Sequence[Piece]) -> None:
        if not value or value[0].path is None:
            raise InvalidInputError(f"JoinedVideo.{attribute.name}: expected a video first, got {list(value[:1])}")

    @property
    def truth(self) -> list[Segment]:
        """Segments of exercises."""
        return [
            Segment(piece.exercise, start_s, start_s + piece.duration_s)
            for piece, start_s in self._plan()
            if piece.exercise != IDLE
        ]

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return sum(piece.duration_s for piece in self.pieces)

    @property
    def unlabelled(self) -> Sequence[tuple[float, float]]:
        """No interval."""
        return ()

    @property
    def seams(self) -> Sequence[float]:
        """Times in seconds at which a clip begins anew within its set."""
        return [
            start_s + again * piece.clip_s
            for piece, start_s in self._plan()
            for again in range(1, math.ceil(piece.duration_s / piece.clip_s - _TOLERANCE_S))
        ]

    @property
    def fingerprint(self) -> str:
        """Digest of what the frames are made of."""
        parts = [(piece.path and fingerprint(piece.path), piece.duration_s) for piece in self.pieces]
        return hashlib.sha256(repr((self.side, parts)).encode()).hexdigest()

    def __iter__(self) -> Iterator[Frame]:
        last: Frame | None = None
        for piece, start_s in self._plan():
            if piece.path is not None:
                frames = _looped(piece.path, self.side, piece.duration_s)
            else:
                assert last is not None
                frames = _held(last.rgb, piece.duration_s)
            for frame in frames:
                last = frame
                yield Frame(frame.rgb, start_s + frame.time_s)

    def _plan(self) -> Iterator[tuple[Piece, float]]:
        start_s = 0.0
        for piece in self.pieces:
            yield piece, start_s
            start_s += piece.duration_s


def _looped(path: Path, side: int, duration_s: float) -> Iterator[Frame]:
    start_s = 0.0
    while True:
        with VideoSource(path, DecodeConfig(short_side=side)) as video:
            step_s = 1.0 / (video.info.rate_hz or _HELD_RATE_HZ)
            at_s = start_s
            for frame in video:
                at_s = start_s + frame.time_s
                if at_s >= duration_s - _TOLERANCE_S:
                    return
                yield Frame(frame.rgb, at_s)
            start_s = at_s + step_s


def _held(picture: UInt8Array, duration_s: float) -> Iterator[Frame]:
    for index in range(math.ceil(duration_s * _HELD_RATE_HZ)):
        yield Frame(picture, index / _HELD_RATE_HZ)


def joined_videos(
    items: Sequence[ClipItem], known: Collection[str], side: int, *, seed: int = 0, with_unknown: bool = False
) -> tuple[list[JoinedVideo], list[Skipped]]:
    """Clips joined to streams of 1-2 minutes, with pauses before, between and after the sets.

    Each clip of a known exercise makes one set, in an order that follows from `seed`: it is played up to 3 times, until
    8 s are full, and cut at 30 s. Segments that the cut between two plays has parted count as one. Pauses of 4-8 s show
    clips of ``no_exercise``, in turn; where there are none, the picture before is held, and a stream begins with a set.

    :param items: clips of one split.
    :param known: the labels of the model; clips of other groups are left out.
    :param side: as of :class:`JoinedVideo`.
    :param with_unknown: whether to include them, as sets with the right answer ``unknown``.
    :returns: the streams, and the clips that cannot be read or are left out, with the reason.
    """
    random = np.random.default_rng(seed)
    lengths, skipped = _lengths(items)
    pauses, sets = [], []
    for item in (items[index] for index in random.permutation(len(items))):
        if item.path not in lengths:
            continue
        if item.group == IDLE:
            pauses.append(item.path)
        elif item.group in known:
            sets.append(_set(item.group, item.path, lengths[item.path]))
        elif with_unknown:
            sets.append(_set(UNKNOWN, item.path, lengths[item.path]))
        else:
            reason = f"the bundle does not know {item.group}" if item.group else "no group"
            skipped.append(Skipped(str(item.path), reason))
    return [JoinedVideo(pieces, side) for pieces in _joined(sets, pauses, random)], skipped


def _set(exercise: str, path: Path, clip_s: float) -> Piece:
    repeats = min(_MAX_REPEATS, math.ceil(_SET_S[0] / clip_s))
    return Piece(exercise, path, min(repeats * clip_s, _SET_S[1]), clip_s)


def _joined(sets: Sequence[Piece], pauses: Sequence[Path], random: np.random.Generator) -> Iterator[list[Piece]]:
    """The pieces of one stream after the other."""
    pictures = itertools.cycle(pauses or (None,))
    pieces: list[Piece] = []
    for index, piece in enumerate(sets):
        if not pieces and pauses:
            pieces.append(Piece(IDLE, next(pictures), random.uniform(*_PAUSE_S)))
        pieces += [piece, Piece(IDLE, next(pictures), random.uniform(*_PAUSE_S))]
        if index == len(sets) - 1 or sum(part.duration_s for part in pieces) >= _STREAM_S:
            yield pieces
            pieces = []


def _lengths(items: Sequence[ClipItem]) -> tuple[dict[Path, float], list[Skipped]]:
    """Seconds of each clip, and the clips that cannot be read."""
    lengths, skipped = {}, []
    for item in items:
        try:
            lengths[item.path] = video_duration_s(item.path)
        except FitsenseError as error:
            skipped.append(Skipped(str(item.path), str(error)))
    return lengths, skipped
