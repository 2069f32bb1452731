"""Runs what a command does."""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, NoReturn

import typer

from bot.cli.output import note


class Remarks(logging.Handler):
    """Prints what is logged as remarks of one line: whoever reads them wants to know what to do, not where it was."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print the message without its traceback."""
        note(record.getMessage())


def finish(work: Coroutine[Any, Any, int]) -> NoReturn:
    """Do the work, then leave with its exit code. A service sets up a log of its own."""
    logging.basicConfig(level=logging.WARNING, handlers=[Remarks()])
    raise typer.Exit(asyncio.run(work))
