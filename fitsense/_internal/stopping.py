"""A flag that requests a stop, shared between threads."""

from __future__ import annotations

import attrs


@attrs.define(eq=False)
class StopFlag:
    """Flag that requests a stop; it is never cleared.

    It uses no lock, so that a signal handler may set it whatever the interrupted code holds, and it refers to no other
    object, so that sharing it keeps none alive.
    """

    requested: bool = False

    def set(self) -> None:
        """Request the stop. May be called from any thread, and from a signal handler."""
        self.requested = True
