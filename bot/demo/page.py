"""What the demo adds to the page: a panel that breaks things, and the cluster's state above the messages."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Final

from bot.demo.cluster import ClusterError, DemoCluster
from bot.demo.config import CHANNEL
from bot.demo.faults import Fault, inject
from bot.demo.probes import in_words, look
from bot.workspace.panels import Panel, PanelButton
from bot.workspace.server import Workspace

LOOK_EVERY: Final = 1.0
_BUTTONS: Final = {
    Fault.KILL_MEMBER: ("Kill a member", "kill -9 for a follower. Two of three are left, and writes go on."),
    Fault.HANG_MEMBER: ("Hang a member", "kill -STOP for a follower. It takes connections and never answers."),
    Fault.FILL_QUOTA: ("Fill the disk quota", "History up to the quota of 4 MiB. The whole cluster refuses writes."),
    Fault.KILL_LEADER: ("Kill the leader", "kill -9 for the leader. The others elect a new one within seconds."),
}


def break_something(cluster: DemoCluster) -> Panel:
    """Return the panel; what can be broken further is, and the answer says so if it cannot."""
    return Panel(
        id="break",
        title="Break something",
        description=(
            "A real etcd cluster on this machine; the bot looks at it every two seconds and reports in "
            f"#{CHANNEL}. It observes only, until you type there: /operator mode execute demo"
        ),
        buttons=tuple(
            PanelButton(id=fault.value, label=label, description=description, press=_press(fault, cluster))
            for fault, (label, description) in _BUTTONS.items()
        ),
    )


async def show_state(cluster: DemoCluster, workspace: Workspace) -> None:
    """Keep the topic of the channel at what the members say of themselves, until cancelled."""
    while True:
        topic = in_words(await look(cluster.endpoints))
        channel = workspace.state.channel(CHANNEL)
        if channel.topic != topic:
            workspace.state.put_channel(replace(channel, topic=topic))
        await asyncio.sleep(LOOK_EVERY)


def _press(fault: Fault, cluster: DemoCluster) -> Callable[[], Awaitable[str]]:
    async def press() -> str:
        try:
            broken = await inject(fault, cluster)
        except ClusterError as error:
            return f"Nothing was broken. {error}"
        return f"{broken.said} Look at #{CHANNEL}."

    return press
