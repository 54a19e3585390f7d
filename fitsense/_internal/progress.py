"""Progress of long operations."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol, TypeVar

ItemT = TypeVar("ItemT")


class ProgressBar(Protocol):
    """Callable that yields items in order while it shows the progress.

    An example with tqdm: ``lambda items, description: tqdm(items, desc=description)``.

    :param items: the items to yield, such as clips.
    :param description: name of the operation, to be shown.
    """

    def __call__(self, items: Sequence[ItemT], description: str) -> Iterable[ItemT]: ...


def silent(items: Sequence[ItemT], description: str) -> Iterator[ItemT]:
    """A :class:`ProgressBar` that shows nothing."""
    return iter(items)
