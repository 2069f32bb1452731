"""Handing work from an event loop to a thread, and the answer back."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

log = logging.getLogger(__name__)

Work: TypeAlias = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Request:
    """Something to be done in a thread, and who waits for it."""

    work: Work
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[Any]
    urgent: bool

    @classmethod
    def here(cls, work: Work, *, urgent: bool = False) -> "Request":
        """Make a request whose future belongs to the running loop."""
        loop = asyncio.get_running_loop()
        return cls(work, loop, loop.create_future(), urgent)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came of a request: a value, or an error."""

    request: Request
    value: Any = None
    error: BaseException | None = None


def give(answers: Sequence[Answer]) -> None:
    """Wake those who wait, from any thread; each event loop is woken once."""
    by_loop: dict[asyncio.AbstractEventLoop, list[Answer]] = defaultdict(list)
    for answer in answers:
        by_loop[answer.request.loop].append(answer)
    for loop, mine in by_loop.items():
        try:
            loop.call_soon_threadsafe(partial(_give_here, mine))
        except RuntimeError:
            log.warning("%d answers had nobody left to hear them: their event loop was closed", len(mine))


def _give_here(answers: Sequence[Answer]) -> None:
    for answer in answers:
        future = answer.request.future
        if future.done():
            continue  # whoever asked was cancelled meanwhile
        if answer.error is None:
            future.set_result(answer.value)
        else:
            future.set_exception(_bearable(answer.error))


def _bearable(error: BaseException) -> BaseException:
    if not isinstance(error, StopIteration):
        return error
    bearable = RuntimeError("a unit of work raised StopIteration")  # which no future can carry
    bearable.__cause__ = error
    return bearable
