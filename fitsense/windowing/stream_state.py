"""State of streaming branches: a network's, and a branch's progress in a run of frames.

The caller of the branch owns it, such as a session. The branch itself is stateless, so that sessions can share it.
"""

from __future__ import annotations

import attrs

from fitsense.types import FloatArray, UInt8Array


@attrs.frozen(eq=False)
class StreamState:
    """State of a streaming network after some frames.

    :param steps: number of frames so far.
    :param arrays: float32 arrays by the backbone's names, with the shapes that the branch declares.
    """

    steps: int
    arrays: dict[str, FloatArray]


@attrs.define(eq=False)
class StreamProgress:
    """Progress of a streaming branch in one run of frames.

    :param shown: number of pictures that were in windows so far.
    :param waiting: pictures for the next windows, uint8 (size, size, 3) each.
    :param state: state after the pictures that the branch processed; None before the first.
    :param outputs: the branch's newest outputs, float32 (width,) by name.
    """

    shown: int = 0
    waiting: list[UInt8Array] = attrs.field(factory=list)
    state: StreamState | None = None
    outputs: dict[str, FloatArray] = attrs.field(factory=dict)

    def show(self, until: int) -> NewFrames:
        """Take the pictures for the next window, until `until` have been shown in all."""
        taken = max(0, until - self.shown)
        new_frames = NewFrames(self, self.shown, tuple(self.waiting[:taken]))
        del self.waiting[:taken]
        self.shown += taken
        return new_frames


@attrs.frozen(eq=False)
class NewFrames:
    """Pictures that a window adds to a streaming branch's run.

    :param run: the run's progress.
    :param first: number of the run's pictures in earlier windows.
    :param pictures: the new pictures, uint8 (size, size, 3) each.
    """

    run: StreamProgress
    first: int
    pictures: tuple[UInt8Array, ...]

    @property
    def unseen(self) -> tuple[UInt8Array, ...]:
        """Pictures that the branch has not processed yet: all, unless this window was predicted before."""
        taken = 0 if self.run.state is None else self.run.state.steps
        return self.pictures[max(0, taken - self.first) :]
