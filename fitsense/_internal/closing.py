"""Base classes of objects that a ``with`` statement closes."""

from __future__ import annotations

from types import TracebackType
from typing import Self


class Closing:
    """Context manager whose exit calls `close`."""

    def close(self) -> object:
        """Free what the object holds."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


class AsyncClosing:
    """Asynchronous context manager whose exit calls `aclose`."""

    async def aclose(self) -> object:
        """Free what the object holds."""
        raise NotImplementedError

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()
