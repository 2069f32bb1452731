"""The two ways in which the demo is shown: to a person in the browser, or to nobody, who gets a report."""

import itertools
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from typing import Final

from actions.errors import ConfigurationError, UnavailableError
from bot.demo.bot_process import BotError
from bot.demo.cluster import ClusterError
from bot.demo.config import CHANNEL
from bot.demo.faults import Fault
from bot.demo.page import show_state
from bot.demo.progress import Progress
from bot.demo.round import Round, RoundFailedError
from bot.demo.stage import Stage, stage

EVERY_FAULT: Final = "all"
_WHAT_TO_DO: Final = """
  Open  {address}

  1. Break something, with the buttons on the right. The bot says what is wrong and what it would do,
     and offers no buttons: it starts in observe mode, in which nothing can be changed.
  2. Type in #{channel}:  /operator mode execute demo
     What is still broken is looked at anew, and the card comes.
  3. Approve it, as Ann or as Bo (at the top of the page). The result is written into the same card.
  4. Go on: /operator help, /operator kill-switch, and "Make Slack misbehave" on the right.

  Ctrl-C ends everything and leaves nothing behind.
"""


def chosen_faults(name: str | None) -> Sequence[Fault]:
    """Return what a name from the command line stands for. Raises `ConfigurationError`."""
    if name == EVERY_FAULT:
        return list(Fault)
    try:
        return [Fault(name or Fault.KILL_MEMBER)]
    except ValueError:
        known = ", ".join(Fault)
        raise ConfigurationError(f"There is no fault {name!r}. There are: {known}; or {EVERY_FAULT}.") from None


async def interactive(progress: Progress, *, port: int | None) -> int:
    """Show it in the browser until cancelled, or until the bot dies; return the exit code."""

    async def show(on: Stage) -> None:
        progress.say(_WHAT_TO_DO.format(address=on.workspace.page_url, channel=CHANNEL))
        await show_state(on.cluster, on.workspace)

    return await _on_a_stage(progress, port, show)


async def unattended(progress: Progress, *, faults: Sequence[Fault], port: int | None, rounds: int) -> int:
    """Play every fault, *rounds* times; return 0 only if all of it went as it should."""

    async def play(on: Stage) -> None:
        for number, chosen in enumerate(itertools.chain.from_iterable(itertools.repeat(faults, rounds)), start=1):
            await _round(on, progress, chosen, number, of=rounds * len(faults))

    return await _on_a_stage(progress, port, play)


async def _round(on: Stage, progress: Progress, fault: Fault, number: int, *, of: int) -> None:
    progress.say(f"\nRound {number} of {of}: {fault.value}")
    progress.begin()
    played = Round(on, progress)
    if number == 1:
        await played.switch_to_execute()
    await played.play(fault)


async def _on_a_stage(progress: Progress, port: int | None, show: Callable[[Stage], Awaitable[None]]) -> int:
    progress.say("Starting the demo …")
    async with AsyncExitStack() as stack:
        try:
            on = await stack.enter_async_context(stage(progress, port=port))
        except (BotError, ClusterError) as error:
            raise UnavailableError(f"The demo could not be started. {error}") from error
        try:
            await on.bot.alongside(show(on))
        except BotError as error:
            progress.say(f"\n{error}")
            return 1
        except (RoundFailedError, ClusterError) as error:
            progress.say(f"\n{await on.bot.error(str(error))}")
            return 1
    return 0
