"""Progress of long work, told to whoever shows it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol, TypeVar

ItemT = TypeVar("ItemT")


class Track(Protocol):
    """Passes items on, and shows how far it has got."""

    def __call__(self, items: Sequence[ItemT], description: str) -> Iterable[ItemT]: ...


def silent(items: Sequence[ItemT], description: str) -> Iterator[ItemT]:
    """The :class:`Track` that shows nothing."""
    return iter(items)
