"""Tells whoever watches that the workspace changed."""

import asyncio
from collections.abc import Callable


class Changes:
    """A version that counts up with every change, and a way to wait for the next one."""

    def __init__(self) -> None:
        self.version = 0
        self.closed = False
        self._next = asyncio.Event()

    def changed(self) -> None:
        """Count one change and wake all watchers."""
        self.version += 1
        self._wake()

    def close(self) -> None:
        """Wake all watchers for the last time."""
        self.closed = True
        self._wake()

    async def after(self, version: int, *, within: float) -> int:
        """Return the current version as soon as it is later than *version*, or after *within* seconds."""
        try:
            async with asyncio.timeout(within):
                while self.version <= version and not self.closed:
                    await self._next.wait()
        except TimeoutError:
            return self.version
        return self.version

    async def until(self, predicate: Callable[[], bool], *, within: float) -> None:
        """Return as soon as *predicate* holds; raise `TimeoutError` if it does not within that many seconds."""
        async with asyncio.timeout(within):
            while not predicate():
                await self._next.wait()

    def _wake(self) -> None:
        self._next.set()
        self._next = asyncio.Event()
