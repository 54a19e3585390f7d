"""The configuration of a person tracker."""

from __future__ import annotations

import attrs

from fitsense._internal.arguments import checks_arguments
from fitsense._internal.validators import integer, number


@checks_arguments
@attrs.frozen
class PersonTrackerConfig:
    """Tracking of people.

    :param rate_hz: largest rate of pictures with landmarks, per second.
    :param people: largest number of people at a time; others wait until one leaves.
    :param confirm: number of pictures in which a new person must be found; a single person is accepted immediately.
    :param new_score: smallest score of the pose of a new person.
    :param sure: score of a pose below which the detector runs, too.
    :param detect_s: smallest interval between two detections, in seconds.
    :param empty_detect_s: the same, if nobody has been in view for ``empty_s``; at least ``detect_s``.
    :param empty_s: seconds without anybody in view, neither tracked nor detected, after which the detector runs less
        often.
    :param search_s: interval in seconds after which the detector searches for more people, if more are expected.
    :param lost_s: seconds after which a person without a match is dropped; a returning person is a new one.
    :param gap_s: seconds without a picture after which the old places no longer count.
    """

    rate_hz: float = attrs.field(default=10.0, validator=number(0.0, above=True))
    people: int = attrs.field(default=1, validator=integer(1))
    confirm: int = attrs.field(default=3, validator=integer(1))
    new_score: float = attrs.field(default=0.6, validator=number(0.0, 1.0))
    sure: float = attrs.field(default=0.9, validator=number(0.0, 1.0))
    detect_s: float = attrs.field(default=0.2, validator=number(0.0, above=True))
    empty_detect_s: float = attrs.field(default=0.6, validator=number(0.0, above=True))
    empty_s: float = attrs.field(default=3.0, validator=number(0.0))
    search_s: float = attrs.field(default=1.0, validator=number(0.0, above=True))
    lost_s: float = attrs.field(default=3.0, validator=number(0.0, above=True))
    gap_s: float = attrs.field(default=1.0, validator=number(0.0, above=True))
