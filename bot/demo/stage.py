"""Everything that the demo consists of, started in order and ended in reverse: nothing of it stays."""

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from actions.errors import UnavailableError
from bot.demo.bot_process import BotProcess
from bot.demo.cluster import DemoCluster
from bot.demo.config import APP, environment, write_configuration
from bot.demo.page import break_something
from bot.demo.progress import Progress
from bot.workspace.panels import Panel
from bot.workspace.server import Workspace, running_workspace

CONNECTS_WITHIN: Final = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A running cluster, a running workspace and a running bot that is connected to both."""

    cluster: DemoCluster
    workspace: Workspace
    bot: BotProcess
    directory: Path
    environment: Mapping[str, str]
    """What a command of the bot needs to find the same database."""


@asynccontextmanager
async def stage(progress: Progress, *, port: int | None) -> AsyncIterator[Stage]:
    """Start everything, telling *progress*; the page is served on *port*, or on a free one.

    Raises:
        ClusterError, BotError, UnavailableError: something did not start; what had started was ended.
    """
    cluster = DemoCluster()
    async with AsyncExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="operator-demo-bot-")))
        with progress.starting("a Slack workspace of our own, on this machine"):
            workspace = await _workspace(stack, port or 0, break_something(cluster))
        with progress.starting("etcd: three members under supervisord"):
            await stack.enter_async_context(cluster)
        with progress.starting("operator-bot, a process of its own"):
            configuration = await asyncio.to_thread(write_configuration, directory, cluster, workspace)
            variables = environment(os.environ, configuration=configuration, cluster=cluster, workspace=workspace)
            bot = await stack.enter_async_context(BotProcess(directory, variables))
            await _connected(bot, workspace)
        yield Stage(cluster=cluster, workspace=workspace, bot=bot, directory=directory, environment=variables)


async def _workspace(stack: AsyncExitStack, port: int, panel: Panel) -> Workspace:
    try:
        return await stack.enter_async_context(running_workspace(port=port, app=APP, extra_panels=[panel]))
    except OSError as error:
        raise UnavailableError(
            f"The page cannot be served on port {port} ({os.strerror(error.errno or 0)}). Choose another with --port, "
            "or leave it out and a free one is taken."
        ) from error


async def _connected(bot: BotProcess, workspace: Workspace) -> None:
    try:
        await bot.alongside(workspace.until(lambda: workspace.sockets.open_sockets > 0, within=CONNECTS_WITHIN))
    except TimeoutError:
        raise await bot.error(f"The bot was not connected within {CONNECTS_WITHIN:g} s.") from None
