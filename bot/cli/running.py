"""Runs what a command does."""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, NoReturn, TypeVar

import typer

from bot.cli.output import note

T = TypeVar("T")


class Remarks(logging.Handler):
    """Prints what is logged as remarks of one line: whoever reads them wants to know what to do, not where it was."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print the message without its traceback."""
        note(record.getMessage())


def finish(work: Coroutine[Any, Any, int]) -> NoReturn:
    """Do the work, then leave with its exit code. A service sets up a log of its own."""
    raise typer.Exit(done(work))


def done(work: Coroutine[Any, Any, T]) -> T:
    """Do the work and return what came of it."""
    logging.basicConfig(level=logging.WARNING, handlers=[Remarks()])
    return asyncio.run(work)
