"""The right to push frames into a session, which belongs to one connection at a time."""

from __future__ import annotations

import asyncio

import attrs


@attrs.frozen(eq=False)
class PushClaim:
    """The place of one connection among those of its session.

    :param number: position in the order in which the connections were opened, from 0.
    :param taken_over: set once a newer connection pushes.
    """

    number: int
    taken_over: asyncio.Event = attrs.field(factory=asyncio.Event, init=False)


class PushRole:
    """Gives the right to push to the newest connection that pushes. It lives in the event loop's thread.

    A lost connection may be replaced before the server knows that it is lost, and its last messages may be read after
    the first ones of the new connection. So an older connection never gets the right back.
    """

    def __init__(self) -> None:
        self._connections = 0
        self._pusher: PushClaim | None = None

    def register(self) -> PushClaim:
        """Register a new connection, which may push later."""
        claim = PushClaim(self._connections)
        self._connections += 1
        return claim

    def claim(self, claim: PushClaim) -> bool:
        """Let a connection push. An older one that has pushed is recognised by its event.

        :return: whether it may push; False, and its event is set, if a newer connection has pushed.
        """
        pusher = self._pusher
        if pusher is claim:
            return True
        if pusher is not None and claim.number < pusher.number:
            claim.taken_over.set()
            return False
        if pusher is not None:
            pusher.taken_over.set()
        self._pusher = claim
        return True
