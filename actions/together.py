"""Doing the same to several things at once, so that one slow target does not hold up the others."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Final, TypeVar

T = TypeVar("T")
R = TypeVar("R")
AT_ONCE: Final = 16


async def together(work: Callable[[T], Awaitable[R]], items: Iterable[T]) -> list[R]:
    """Return what *work* gives for each item, in their order; at most `AT_ONCE` are under way at a time.

    *work* deals with its own errors: one that it lets pass ends this call, as with `asyncio.gather`.
    """
    free = asyncio.Semaphore(AT_ONCE)

    async def one(item: T) -> R:
        async with free:
            return await work(item)

    return await asyncio.gather(*(one(item) for item in items))
