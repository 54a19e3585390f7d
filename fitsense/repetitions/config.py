"""The configuration of a repetition counter."""

from __future__ import annotations

import attrs

from fitsense._internal.arguments import checks_arguments
from fitsense._internal.validators import number
from fitsense.errors import InvalidInputError
from fitsense.imaging.frame_rate import MAX_RATE_HZ


@checks_arguments
@attrs.frozen
class RepetitionConfig:
    """Configuration of a :class:`RepetitionCounter`.

    :param max_rate_hz: thumbnails a second that are kept; the others are skipped.
    :param window_s: seconds that a pass analyses; a little over two of the slowest repetitions.
    :param interval_s: longest media time between two passes in seconds; quick repetitions get passes more often.
    :param min_duration_s: length of the shortest repetition in seconds.
    :param min_confidence: lowest mean quality of cycles that count, 0..1.
    :param min_motion_share: part of the motion that cycles must make up to count, 0..1.
    :param min_motion_share_single: the same for a single movement, which is reported at the end of a run without
        other repetitions. Raise it, to 0.6 for example, if the host has no other means to recognise exercise.
    :param min_amplitude: least change of the picture by a repetition: root of the mean square over its pixels, in
        standard deviations of its brightness. A person who sways while standing stays below the default.
    :param full_range_ratio: a movement of less than this part of the other repetitions' amplitude is a partial
        repetition.
    :raises InvalidInputError: a value outside its range.
    """

    max_rate_hz: float = attrs.field(default=MAX_RATE_HZ, validator=number(0.0, above=True))
    window_s: float = attrs.field(default=20.0, validator=number(0.0, 120.0, above=True))
    interval_s: float = attrs.field(default=0.5, validator=number(0.0, above=True))
    min_duration_s: float = attrs.field(default=0.3, validator=number(0.0, above=True))
    min_confidence: float = attrs.field(default=0.4, validator=number(0.0, 1.0))
    min_motion_share: float = attrs.field(default=0.2, validator=number(0.0, 1.0))
    min_motion_share_single: float = attrs.field(default=0.2, validator=number(0.0, 1.0))
    min_amplitude: float = attrs.field(default=0.08, validator=number(0.0, above=True))
    full_range_ratio: float = attrs.field(default=0.7, validator=number(0.0, 1.0))

    def __attrs_post_init__(self) -> None:
        if self.window_s < 2 * self.min_duration_s:
            raise InvalidInputError(
                f"RepetitionConfig.window_s: expected at least two of min_duration_s ({self.min_duration_s}), got "
                f"{self.window_s}"
            )
