"""A request to stop, shared by those who may ask for it and those who have to look."""

from __future__ import annotations

import attrs


@attrs.define(eq=False)
class StopFlag:
    """A request to stop, which is never taken back.

    It takes no lock, so that a signal handler may set it whatever the interrupted code holds, and it refers to nothing,
    so that sharing it keeps nobody alive.
    """

    requested: bool = False

    def set(self) -> None:
        """Ask all who share the flag to stop. May be called from any thread, and from a signal handler."""
        self.requested = True
