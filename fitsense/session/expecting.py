"""The exercises that a session may name and expects, as properties."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Protocol

from fitsense._internal.suggestions import suggestion
from fitsense.expectation import Expectation
from fitsense.inference.model import Model


class _State(Protocol):
    expectation: Expectation


class Expecting:
    """Base of sessions: the properties that change which exercises they may name."""

    _model: Model
    state: _State

    # Type checkers would accept every attribute of a class with this method.
    if not TYPE_CHECKING:

        def __setattr__(self, name: str, value: object) -> None:
            # Otherwise `session.exercise = …` would do nothing.
            if not name.startswith("_") and name != "state" and not hasattr(type(self), name):
                settable = [
                    one for one in dir(type(self)) if getattr(getattr(type(self), one), "fset", None) is not None
                ]
                raise AttributeError(f"{type(self).__name__!r} has no attribute {name!r}{suggestion(name, settable)}")
            super().__setattr__(name, value)

    @property
    def exercises(self) -> tuple[str, ...] | None:
        """The only exercises that may be named, for all subjects; None for all that the bundle knows.

        May be set between two frames: it applies from the next prediction on, and a ``session.updated`` event states
        it. An expected exercise that is no longer among them is no longer expected.

        :raises InvalidInputError: the bundle has no such label; the session is unchanged.
        """
        return self.state.expectation.exercises

    @exercises.setter
    def exercises(self, exercises: Iterable[str] | None) -> None:
        self._expect(self.state.expectation.with_exercises(self._model.labels.exercise, exercises))

    @property
    def expected(self) -> str | None:
        """The exercise that a guided workout asks for now; None for none. May be set like :attr:`exercises`."""
        return self.state.expectation.expected

    @expected.setter
    def expected(self, expected: str | None) -> None:
        self._expect(Expectation.of(self._model.labels.exercise, self.exercises, expected))

    def _expect(self, expectation: Expectation) -> None:
        """Change the expectation."""
        raise NotImplementedError
