"""Progress of long operations."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol, TypeVar

ItemT = TypeVar("ItemT")


class Track(Protocol):
    """Yields the items, and shows the progress."""

    def __call__(self, items: Sequence[ItemT], description: str) -> Iterable[ItemT]: ...


def silent(items: Sequence[ItemT], description: str) -> Iterator[ItemT]:
    """A :class:`Track` that shows nothing."""
    return iter(items)
