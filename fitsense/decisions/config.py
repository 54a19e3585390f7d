"""Thresholds and intervals of decisions."""

from __future__ import annotations

import attrs

from fitsense._internal.arguments import checks_arguments
from fitsense._internal.validators import number
from fitsense.errors import InvalidInputError

# Thresholds if neither the configuration nor the bundle has any.
_ENTER, _EXIT = 0.5, 0.35


@checks_arguments
@attrs.frozen
class DecisionConfig:
    """Thresholds and intervals of :class:`Decisions`.

    :param enter: probability at which an exercise is entered; None for the bundle's, at least ``exit``.
    :param exit: probability below which the current exercise is left; at most ``enter``. None for the bundle's, at
        most ``enter``.
    :param idle_enter: probability of no exercise at which the answer is idle.
    :param idle_exit: probability below which idle is left; at most ``idle_enter``.
    :param smoothing_s: time constant of the smoothing, in seconds of media time; 0 for none.
    :param min_duration_s: seconds for which an answer must hold before it becomes the current one.
    :param unknown_min_duration_s: the same for unknown movement, if it is longer: until then, an exercise that is named
        again continues, and the movement belongs to the exercise that it becomes, if it resembles that one at all, and
        more than the one before.
    :param update_interval_s: shortest media time in seconds between two updates of a segment.
    :param muscles_interval_s: shortest media time in seconds between two reports of muscle activation.
    :raises InvalidInputError: a value outside its range.
    """

    enter: float | None = attrs.field(default=None, validator=number(0.0, 1.0, optional=True))
    exit: float | None = attrs.field(default=None, validator=number(0.0, 1.0, optional=True))
    idle_enter: float = attrs.field(default=0.55, validator=number(0.0, 1.0))
    idle_exit: float = attrs.field(default=0.45, validator=number(0.0, 1.0))
    smoothing_s: float = attrs.field(default=1.0, validator=number(0.0))
    min_duration_s: float = attrs.field(default=1.5, validator=number(0.0))
    unknown_min_duration_s: float = attrs.field(default=5.0, validator=number(0.0))
    update_interval_s: float = attrs.field(default=1.0, validator=number(0.0))
    muscles_interval_s: float = attrs.field(default=1.0, validator=number(0.0))

    def __attrs_post_init__(self) -> None:
        for low, high in (("exit", "enter"), ("idle_exit", "idle_enter")):
            lower, upper = getattr(self, low), getattr(self, high)
            if lower is not None and upper is not None and lower > upper:
                raise InvalidInputError(f"DecisionConfig.{low}: expected at most {high} ({upper}), got {lower}")

    @property
    def max_trial_s(self) -> float:
        """Longest time in seconds from where a segment starts to its announcement."""
        return self.min_duration_s + max(self.min_duration_s, self.unknown_min_duration_s)

    def thresholds(self, enter: float = _ENTER, exit: float = _EXIT) -> tuple[float, float]:
        """Resolve ``enter`` and ``exit`` of the configuration and of the bundle.

        :param enter: the bundle's threshold, used if the configuration has none.
        :param exit: the bundle's threshold, used if the configuration has none.
        """
        if self.enter is None and self.exit is None:
            return enter, exit
        if self.enter is None:
            assert self.exit is not None
            return max(enter, self.exit), self.exit
        return self.enter, min(exit, self.enter) if self.exit is None else self.exit
