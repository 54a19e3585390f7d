"""What a streaming branch remembers: of a stream, and of the run of frames that a session is in.

It belongs to whoever feeds the branch, such as a session. The branch itself keeps nothing, so that streams share it.
"""

from __future__ import annotations

import attrs

from fitsense.types import FloatArray, UInt8Array


@attrs.frozen(eq=False)
class StreamState:
    """All that a streaming branch knows of a stream's frames.

    :param steps: how many there were.
    :param arrays: float32, by the backbone's names; their shapes are the branch's.
    """

    steps: int
    arrays: dict[str, FloatArray]


@attrs.define(eq=False)
class StreamProgress:
    """A streaming branch in one run of frames.

    :param shown: pictures that windows have shown it.
    :param waiting: pictures, uint8 (size, size, 3), that come next.
    :param state: after those that it took; None before the first.
    :param outputs: the newest that it gave, float32 (width,) by name.
    """

    shown: int = 0
    waiting: list[UInt8Array] = attrs.field(factory=list)
    state: StreamState | None = None
    outputs: dict[str, FloatArray] = attrs.field(factory=dict)

    def show(self, until: int) -> NewFrames:
        """The pictures that come next, as a window of them, until so many have been shown in all."""
        taken = max(0, until - self.shown)
        stretch = NewFrames(self, self.shown, tuple(self.waiting[:taken]))
        del self.waiting[:taken]
        self.shown += taken
        return stretch


@attrs.frozen(eq=False)
class NewFrames:
    """What a window adds to a stream.

    :param run: which goes on with it.
    :param first: how many pictures the run had before.
    :param pictures: the new ones, uint8 (size, size, 3).
    """

    run: StreamProgress
    first: int
    pictures: tuple[UInt8Array, ...]

    @property
    def unseen(self) -> tuple[UInt8Array, ...]:
        """Those that the branch has not taken yet: all, unless it was asked about this window before."""
        taken = 0 if self.run.state is None else self.run.state.steps
        return self.pictures[max(0, taken - self.first) :]
