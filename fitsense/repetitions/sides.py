"""Left and right in a movement: cycles whose halves are mirror images, and the side that each repetition is of. Pure.

A body is compared with itself in a mirror that stands between its left and its right. What moves on both sides alike is
the *even* part of its places, and what differs between the sides is the *odd* part, which the mirror negates. Where
sides take turns, the second half of a cycle is the first half's mirror image, in place as in shape: the odd part swings
about nothing. In a movement of both sides, the halves are the way out and the way back, which are contrary.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from statistics import median
from typing import Literal, cast

import attrs
import numpy as np
from numpy.typing import NDArray

from fitsense.pose.landmarks import VISIBILITY, WORLD
from fitsense.repetitions.cycles import Cycle, Proposal
from fitsense.repetitions.joints import SMOOTHING_S, JointSignal, fill
from fitsense.repetitions.trajectory import principal_path, smooth
from fitsense.types import FloatArray

Side = Literal["left", "right"]
_SIDES: tuple[Side, Side] = ("left", "right")

_Floats = NDArray[np.float64]
_Span = tuple[int, int]

_DIMENSIONS = 6
_PHASES = np.linspace(0.0, 1.0, 16)[:, None]
# Where a cycle may be parted into halves.
_PARTINGS = np.arange(0.35, 0.66, 0.05)
# How alike halves must be for sides that take turns: in shape, and in shape and place together. Measured on real
# clips: 0.4 to 0.9 and above 0.15 where sides take turns; elsewhere below 0.3, or below 0 together.
_LIKE, _LIKE_IN_PLACE = 0.35, 0.1
# Sides that took turns do so until their halves are less alike by this much.
_DOUBT = 0.1
# Usual repetitions of the two sides differ at most by this factor in length.
_UNEVEN = 2.0
# Lengths of the other side's repetition, in lengths of this side's.
_LENGTHS = (0.75, 0.9, 1.0, 1.15, 1.3)
# A half before the first or after the last cycle must be so much like the half that it repeats.
_LIKE_HALF = 0.5
# Smallest ratio of the movements of both sides in most cycles of one side, and in each of them; and smallest visibility
# of both sides.
_ONE_SIDED, _ONE_SIDED_BESIDE_OTHERS, _VISIBLE = 3.0, 1.7, 0.5
_EPSILON = 1e-12


@attrs.frozen
class Half:
    """One side's repetition of a movement whose sides take turns; indices into the path.

    :param cycle: from where it starts to where it ends.
    :param side: whose repetition it is.
    """

    cycle: Cycle
    side: Side


class BodyMirror:
    """A movement and its mirror image.

    :param signal: what took the samples.
    :param samples: (moments, joints, 6), evenly spaced in time.
    :param rate_hz: moments a second.
    """

    def __init__(self, signal: JointSignal, samples: FloatArray, rate_hz: float) -> None:
        self._signal = signal
        filled = fill(samples)
        self._places: _Floats | None = None
        self._visible = np.zeros(len(signal.names))
        if filled is None:
            return
        self._visible = np.median(filled[..., VISIBILITY], axis=0)
        self._places, reflected = self._reflect(filled)
        reach = SMOOTHING_S * rate_hz
        count = len(filled)
        even = smooth(((self._places + reflected) / 2).reshape(count, -1), reach)
        odd = smooth(((self._places - reflected) / 2).reshape(count, -1), reach)
        self._even = principal_path(even - even.mean(axis=0), rate_hz, _DIMENSIONS)
        # Its middle is kept: it says on which side the movement is.
        self._odd = principal_path(odd, rate_hz, _DIMENSIONS)
        self._swing = self._odd[:, 0] * (1.0 if self._odd[:, 0] @ self._leftness() >= 0 else -1.0)

    def _reflect(self, filled: _Floats) -> tuple[_Floats, _Floats]:
        """Places from the middle of the hips, and the same in the mirror, each (moments, joints, axes)."""
        left, right = self._signal.hips
        if np.isnan(filled[..., WORLD]).any():
            # Without depth, the mirror stands upright in the picture, which is right for bodies seen from the front or
            # from behind.
            places = self._signal.in_picture(filled)
            faces = float(np.median(places[:, right, 0] - places[:, left, 0]))
            axis = np.array([1.0 if faces >= 0 else -1.0, 0.0])
        else:
            places = self._signal.in_metres(filled)
            axis = np.median(places[:, right] - places[:, left], axis=0)
            axis = axis / (np.linalg.norm(axis) + _EPSILON)
        self._axis = axis
        reflection = np.eye(len(axis)) - 2.0 * np.outer(axis, axis)
        return places, places[:, self._signal.mirrored] @ reflection

    def _leftness(self) -> _Floats:
        """Excess of the displacement of the left side over that of the right one, plus the displacement of the arms to
        the left, (moments,), in lengths of the torso."""
        assert self._places is not None
        away = np.linalg.norm(self._places - np.median(self._places, axis=0), axis=2)
        names = self._signal.names
        left, right = (away[:, [name.startswith(side) for name in names]].sum(axis=1) for side in ("left", "right"))
        wrists = [row for row, name in enumerate(names) if name.endswith("wrist")]
        leftwards = self._places[:, wrists].mean(axis=1) @ -self._axis if wrists else np.zeros(len(away))
        return np.asarray(left - right + leftwards)

    def halves(self, proposal: Proposal, *, known: bool = False) -> list[Half]:
        """Each side's repetitions where sides take turns; none where they do not.

        :param proposal: cycles of the path of the same samples.
        :param known: whether the sides took turns a moment ago.
        """
        if self._places is None:
            return []
        cycles = proposal.cycles
        shape, in_place, parting = self._likeness(cycles)
        doubt = _DOUBT if known else 0.0
        if shape < _LIKE - doubt or shape + in_place < _LIKE_IN_PLACE - 2 * doubt:
            return self._in_the_gaps(cycles)
        spans = [
            span
            for cycle in cycles
            for span in ((cycle.start, _between(cycle, parting)), (_between(cycle, parting), cycle.end))
        ]
        spans = self._from_rest(spans)
        # A single half is compared with nothing.
        usual = [median(end - start for start, end in side) for side in (spans[::2], spans[1::2]) if side]
        if max(usual) > _UNEVEN * min(usual):
            return []
        spans = self._with_ends(spans)
        swings = [float(self._swing[start : end + 1].mean()) for start, end in spans]
        first_is_left = sum(swings[::2]) - sum(swings[1::2]) >= 0
        sides: tuple[Side, Side] = ("left", "right") if first_is_left else ("right", "left")
        halves = []
        for index, (start, end) in enumerate(spans):
            cycle = min(cycles, key=lambda one: abs(one.start + one.end - start - end))
            halves.append(Half(attrs.evolve(cycle, start=start, far=(start + end) // 2, end=end), sides[index % 2]))
        return halves

    def _from_rest(self, spans: list[_Span]) -> list[_Span]:
        """Halves that begin and end between the two sides.

        A cycle may have been cut where one side is farthest out: then a half is the way from there to the other side,
        and a repetition lies between the middles of two halves.
        """
        ends = [moment for span in spans for moment in span]
        middles = [self._middle(start, end) for start, end in spans]
        if np.abs(self._swing[ends]).mean() <= np.abs(self._swing[middles]).mean():
            return spans
        return list(itertools.pairwise(middles))

    def _middle(self, start: int, end: int) -> int:
        """Moment between the two sides of the movement, within the middle part of the time."""
        quarter = (end - start) // 4
        inner = np.abs(self._swing[start + quarter : end - quarter + 1])
        return start + quarter + int(inner.argmin())

    def _with_ends(self, spans: list[_Span]) -> list[_Span]:
        """The halves with one more before the first and after the last, where these repeat the next but one."""
        if len(spans) < 2:
            return spans
        start, end = spans[0][0] - (spans[1][1] - spans[1][0]), spans[0][0]
        if start >= 0 and self._repeats((start, end), spans[1]):
            spans = [(start, end), *spans]
        start, end = spans[-1][1], spans[-1][1] + spans[-2][1] - spans[-2][0]
        if end < len(self._even) and self._repeats((start, end), spans[-2]):
            spans = [*spans, (start, end)]
        return spans

    def _in_the_gaps(self, cycles: tuple[Cycle, ...]) -> list[Half]:
        """Cycles of one side, and those of the other side between them; none unless these are there.

        A repetition that stands alone is a cycle already, whose like is the next but one.
        """
        gaps = [*((one.end, other.start, one) for one, other in itertools.pairwise(cycles))]
        found = [self._mirrored_within(*gap) for gap in gaps]
        others = [cycle for cycle in found if cycle is not None]
        if not others or len(others) < len(gaps) / 2:
            return []
        last = cycles[-1]
        length = last.end - last.start
        after = self._mirrored_within(last.end, min(len(self._even) - 1, round(last.end + 1.6 * length)), last)
        before = self._mirrored_within(max(0, round(cycles[0].start - 1.6 * length)), cycles[0].start, cycles[0])
        others += [cycle for cycle in (before, after) if cycle is not None]
        mean = sum(self._swing[one.start : one.end + 1].mean() for one in cycles) / len(cycles)
        mean -= sum(self._swing[one.start : one.end + 1].mean() for one in others) / len(others)
        mine, theirs = ("left", "right") if mean >= 0 else ("right", "left")
        halves = [Half(one, cast(Side, mine)) for one in cycles] + [Half(one, cast(Side, theirs)) for one in others]
        return sorted(halves, key=lambda half: half.cycle.start)

    def _mirrored_within(self, since: int, until: int, cycle: Cycle) -> Cycle | None:
        """The best mirror image of a cycle between two moments; None if there is none."""
        length = cycle.end - cycle.start
        spans = [
            (start, start + span)
            for span in (round(part * length) for part in _LENGTHS)
            for start in range(since, until - span + 1, max(1, length // 8))
        ]
        if not spans:
            return None
        even, odd = self._ways([(cycle.start, cycle.end)])
        other_even, other_odd = self._ways(spans)
        alike = _alike((_centred(even), _centred(other_even)), (odd, -other_odd))
        best = int(alike.argmax())
        if alike[best] <= _LIKE:
            return None
        start, end = spans[best]
        far = start + round((cycle.far - cycle.start) / length * (end - start))
        return attrs.evolve(cycle, start=start, far=far, end=end)

    def side(self, cycle: Cycle, cycles: Sequence[Cycle]) -> Side | None:
        """The side that alone moves in a cycle; None where both move, or one can hardly be seen.

        :param cycles: all of the movement, with this one: unless one side alone moves in most of them, both do in all.
        """
        rows = {side: [row for row, name in enumerate(self._signal.names) if name.startswith(side)] for side in _SIDES}
        if self._places is None or min(float(np.median(self._visible[one])) for one in rows.values()) < _VISIBLE:
            return None

        def balance(one: Cycle) -> float:
            left, right = (self._moved(rows[side], one) + _EPSILON for side in _SIDES)
            return math.log(left / right)

        if median(abs(balance(one)) for one in cycles) < math.log(_ONE_SIDED):
            return None
        clear = balance(cycle) / math.log(_ONE_SIDED_BESIDE_OTHERS)
        return None if abs(clear) < 1 else "left" if clear > 0 else "right"

    def _moved(self, rows: list[int], cycle: Cycle) -> float:
        """Amount of movement of joints: the sum of their variances."""
        assert self._places is not None
        return float(self._places[cycle.start : cycle.end + 1, rows].var(axis=0).sum())

    def _likeness(self, cycles: tuple[Cycle, ...]) -> tuple[float, float, float]:
        """Median similarity of first halves and mirrored second halves, in shape, and in shape and place, with the
        parting of cycles for which it is the largest."""
        middles = [(cycle, _between(cycle, float(part))) for part in _PARTINGS for cycle in cycles]
        even, odd = self._ways([(cycle.start, middle) for cycle, middle in middles])
        other_even, other_odd = self._ways([(middle, cycle.end) for cycle, middle in middles])
        evens = _centred(even), _centred(other_even)
        alike = np.stack([_alike(evens, (_centred(odd), -_centred(other_odd))), _alike(evens, (odd, -other_odd))])
        medians = np.median(alike.reshape(2, len(_PARTINGS), len(cycles)), axis=2).T.tolist()
        return max((shape, in_place, float(part)) for (shape, in_place), part in zip(medians, _PARTINGS, strict=True))

    def _repeats(self, one: _Span, other: _Span) -> bool:
        even, odd = (_centred(ways) for ways in self._ways([one, other]))
        return float(_alike((even[:, :1], even[:, 1:]), (odd[:, :1], odd[:, 1:]))[0]) >= _LIKE_HALF

    def _ways(self, spans: Sequence[_Span]) -> tuple[_Floats, _Floats]:
        """The even and the odd part within each span, at equal parts of its time: (phases, spans, dimensions)."""
        starts, ends = np.array(spans, dtype=np.intp).T
        at = starts + (ends - starts) * _PHASES
        before = np.minimum(at.astype(np.intp), len(self._even) - 2)
        part = (at - before)[..., None]
        even, odd = (values[before] * (1 - part) + values[before + 1] * part for values in (self._even, self._odd))
        return even, odd


def _between(cycle: Cycle, part: float) -> int:
    return cycle.start + round(part * (cycle.end - cycle.start))


def _centred(ways: _Floats) -> _Floats:
    """Ways, (phases, spans, dimensions), without their positions."""
    return np.asarray(ways - ways.mean(axis=0))


def _alike(*pairs: tuple[_Floats, _Floats]) -> _Floats:
    """Similarity of the ways of all pairs together, (spans,): 1 where they are the same, 0 where they are unrelated,
    below 0 where they are contrary.

    :param pairs: two arrays each, (phases, spans, dimensions), or (phases, 1, dimensions) to compare with all spans.
    """
    apart = sum(np.square(one - other).sum(axis=(0, 2)) for one, other in pairs)
    both = sum(np.square(one).sum(axis=(0, 2)) + np.square(other).sum(axis=(0, 2)) for one, other in pairs)
    return np.asarray(1.0 - apart / (both + _EPSILON))
