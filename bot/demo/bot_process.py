"""The bot as everybody runs it: `operator run`, a process of its own."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, STDOUT, Process
from collections.abc import Awaitable, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, TypeVar

T = TypeVar("T")

STOPS_WITHIN: Final = 6.0
DIES_WITHIN: Final = 5.0
TAIL: Final = 40
"""Lines of its log that are shown when something went wrong."""
OPERATOR: Final = (sys.executable, "-c", "from bot.cli.main import main; main()")
TETHER: Final = (sys.executable, str(Path(__file__).with_name("tether.py")))


class BotError(Exception):
    """The bot's process ended although nobody asked it to, or did not come up; the text has the end of its log."""


class BotProcess:
    """`operator run` from entering to leaving this context; its log goes to a file in *directory*."""

    def __init__(self, directory: Path, environment: Mapping[str, str]) -> None:
        self._directory = directory
        self._environment = environment
        self._process: Process | None = None
        self.log = directory / "bot.log"

    async def __aenter__(self) -> Self:
        """Start it."""
        with await asyncio.to_thread(self.log.open, "wb") as log:
            # Its own session, so that Ctrl-C in a terminal reaches us alone and we end it in order.
            self._process = await asyncio.create_subprocess_exec(
                *(*TETHER, signal.SIGTERM.name, *OPERATOR, "run"),
                cwd=self._directory,
                env=self._environment,
                stdin=DEVNULL,
                stdout=log,
                stderr=STDOUT,
                start_new_session=True,
            )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Ask it to end, and end it if it does not."""
        if self._process is not None:
            await _end(self._process)

    async def alongside(self, work: Awaitable[T]) -> T:
        """Return what *work* returns. Raises `BotError` if the bot ends before it does."""
        working, dying = asyncio.ensure_future(work), asyncio.ensure_future(self._died())
        try:
            await asyncio.wait({working, dying}, return_when=asyncio.FIRST_COMPLETED)
            if not working.done():
                raise await self.error(f"The bot ended by itself with exit code {dying.result()}.")
            return working.result()
        finally:
            await _cancel(working, dying)

    async def error(self, problem: str) -> BotError:
        """Return an error that says *problem* and shows the last lines of the log."""
        text = await asyncio.to_thread(self.log.read_text, encoding="utf-8", errors="replace")
        tail = "\n".join(text.splitlines()[-TAIL:])
        return BotError(f"{problem}\n\nThe end of its log:\n{tail or '(nothing)'}")

    async def _died(self) -> int:
        if self._process is None:
            raise BotError("The bot was not started.")
        return await self._process.wait()


async def operator(*arguments: str, directory: Path, environment: Mapping[str, str]) -> tuple[int, str]:
    """Run a command of the bot beside it, as a person would; return its exit code and what it said."""
    process = await asyncio.create_subprocess_exec(
        *(*TETHER, signal.SIGKILL.name, *OPERATOR, *arguments),
        cwd=directory,
        env=environment,
        stdin=DEVNULL,
        stdout=PIPE,
        stderr=STDOUT,
        start_new_session=True,
    )
    try:
        said, _ = await process.communicate()
    finally:
        await _end(process)
    return process.returncode or 0, said.decode(errors="replace").strip()


async def _end(process: Process) -> None:
    for sent, within in ((signal.SIGTERM, STOPS_WITHIN), (signal.SIGKILL, DIES_WITHIN)):
        if process.returncode is not None:
            return
        with suppress(ProcessLookupError):
            os.kill(process.pid, sent)
        with suppress(TimeoutError):
            async with asyncio.timeout(within):
                await process.wait()


async def _cancel(*tasks: asyncio.Future[Any]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
