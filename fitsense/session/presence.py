"""Presence of the tracked person: when a person enters the picture, and when they have left."""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from fitsense.events.model import PersonEntered, PersonLeft

# A person who was not found for this long, in seconds, has left; shorter absences are poses that were not found.
_ABSENT_S = 3.0


@attrs.define
class PresenceState:
    """State of a :class:`Presence`.

    :param person: name of the present person; None for nobody.
    :param since_s: when they entered, in seconds of media time.
    :param seen_s: when they were found last.
    """

    person: str | None = None
    since_s: float = 0.0
    seen_s: float = 0.0


class Presence:
    """Tells when the person of a session enters and leaves the picture."""

    def __init__(self) -> None:
        self.state = PresenceState()

    def update(self, person: str | None, time_s: float) -> Iterable[PersonEntered | PersonLeft]:
        """Take the result of looking for the person.

        :param person: name of the found person; None for nobody.
        :param time_s: seconds of media time.
        """
        state = self.state
        changes: list[PersonEntered | PersonLeft] = []
        other = person is not None and person != state.person
        if other or time_s - state.seen_s >= _ABSENT_S:
            changes += self.end()
        if person is None:
            return changes
        if state.person is None:
            state.person, state.since_s = person, time_s
            changes.append(PersonEntered(person, time_s))
        state.seen_s = time_s
        return changes

    def end(self) -> list[PersonEntered | PersonLeft]:
        """End the run; no person continues in the next one."""
        state, person = self.state, self.state.person
        if person is None:
            return []
        state.person = None
        return [PersonLeft(person, state.since_s, state.seen_s)]
