"""Whatever happens to whoever started a cluster, none of its processes is left."""

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from bot.demo.cluster import ClusterError, DemoCluster
from tests.subjects.wired import until

pytestmark = pytest.mark.real

ROOT = Path(__file__).parents[2]
STARTER = """
import asyncio, json, sys
from bot.demo.cluster import DemoCluster

async def main():
    async with DemoCluster(members=["n1"]) as cluster:
        if "hang" in sys.argv:
            await cluster.hang_member("n1")
        pids = [process.pid for process in (await cluster.processes()).values()]
        print(json.dumps([cluster.supervisord_pid, *pids]), flush=True)
        await asyncio.Event().wait()

try:
    asyncio.run(main())
except KeyboardInterrupt:
    pass
"""


def is_alive(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


async def all_gone(pids: Sequence[int]) -> None:
    async def look() -> bool:
        return not any(is_alive(pid) for pid in pids)

    await until(look, within=15)


def mode_of(place: Path) -> int | None:
    return place.stat().st_mode & 0o777 if place.exists() else None


async def test_a_cluster_that_is_left_leaves_nothing_behind() -> None:
    async with DemoCluster() as cluster:
        await cluster.hang_member("n1")
        await cluster.kill_member("n2")
        pids = [process.pid for process in (await cluster.processes()).values() if process.pid]
        place = Path(cluster.directory)
        private = mode_of(place)

        with pytest.raises(ClusterError, match="n2 has no process"):
            await until(lambda: killed_again(cluster, "n2"))

    assert len(pids) >= 2
    assert private == 0o700
    assert not any(is_alive(pid) for pid in pids)
    assert mode_of(place) is None
    with pytest.raises(ClusterError, match="not running"):
        _ = cluster.directory


async def killed_again(cluster: DemoCluster, name: str) -> None:
    await cluster.kill_member(name)


@pytest.mark.parametrize(("sent", "how"), [(signal.SIGINT, ""), (signal.SIGKILL, "hang")])
async def test_a_cluster_ends_with_whoever_started_it(sent: signal.Signals, how: str) -> None:
    starter = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", STARTER, how), cwd=ROOT, stdout=asyncio.subprocess.PIPE, start_new_session=True
    )
    assert starter.stdout is not None
    try:
        pids: list[int] = json.loads(await starter.stdout.readline())
        running = [is_alive(pid) for pid in pids]
    finally:
        os.kill(starter.pid, sent)
        await starter.wait()

    assert running == [True, True]
    await all_gone(pids)


async def test_members_end_when_supervisord_is_killed() -> None:
    async with DemoCluster(members=["n1"]) as cluster:
        pids = [process.pid for process in (await cluster.processes()).values()]
        os.kill(cluster.supervisord_pid, signal.SIGKILL)
        await all_gone(pids)


async def test_a_cluster_that_cannot_start_says_what_was_seen() -> None:
    cluster = DemoCluster(members=["n1"])
    taken = ("127.0.0.1", int(cluster.supervisor_url.rpartition(":")[2]))
    with socket.create_server(taken), pytest.raises(ClusterError, match="supervisord ended with exit code"):
        async with cluster:
            pass
    with pytest.raises(ClusterError, match="not running"):
        _ = cluster.supervisord_pid
