"""The service under trial: a process in which everything is as in `operator run` with Slack over HTTP."""

import asyncio
import os
import sys
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Final, cast

from pydantic import SecretStr

from bot.logging_setup import set_up_logging
from bot.payloads import ButtonValue
from bot.settings import Limits
from bot.workspace.server import Workspace
from tests.bot.running import Bot, built_bot, running, settings_for

TOKEN: Final = "overload-ingest-token"
PER_MINUTE: Final = 300
"""Diagnoses that are taken in: more than by default, so that the database has something to do."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where Slack is: what a service needs to know of a workspace."""

    base_url: str
    bot_token: str
    app_token: str
    signing_secret: str


@dataclass(frozen=True, kw_only=True)
class Opened:
    """What a service says once it is up."""

    address: str
    pid: int
    buttons: tuple[str, ...]
    """The values of Approve, one for each proposal that waits."""


def serve(connection: Connection, folder: Path, proposals: int) -> None:
    """Wait to be told the `Place`; say what is `Opened`; serve until told anything more."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    with (folder / "log").open("w") as log:
        sys.stderr = log
        asyncio.run(_serve(connection, folder, proposals))


async def _serve(connection: Connection, folder: Path, proposals: int) -> None:
    place: Place = await asyncio.to_thread(connection.recv)
    settings = settings_for(
        cast(Workspace, place),  # of which only the address and the secrets are used
        folder,
        SLACK_APP_TOKEN=None,
        SLACK_SIGNING_SECRET=SecretStr(place.signing_secret),
        OPERATOR_INGEST_TOKEN=SecretStr(TOKEN),
        # What is measured is what everybody does at once, and that is more than one source may do within an hour.
        limits=Limits(diagnoses_per_minute=PER_MINUTE, actions_per_hour=0, proposals_per_hour=0, open_cards=0),
    )
    set_up_logging(settings)
    async with built_bot(cast(Workspace, place), settings) as bot, running(bot):
        buttons = [await _button(bot, f"i{number}") for number in range(proposals)]
        connection.send(Opened(address=bot.address, pid=os.getpid(), buttons=tuple(buttons)))
        await asyncio.to_thread(connection.recv)


async def _button(bot: Bot, item: str) -> str:
    proposal = await bot.proposal(await bot.propose(item))
    token = bot.parts.buttons.token_for(proposal.token)
    return ButtonValue(p=proposal.id, t=token, h=proposal.params_hash).compact()
