"""Runs what a command does."""

import asyncio
from collections.abc import Coroutine
from typing import Any, NoReturn

import typer


def finish(work: Coroutine[Any, Any, int]) -> NoReturn:
    """Do the work, then leave with its exit code."""
    raise typer.Exit(asyncio.run(work))
