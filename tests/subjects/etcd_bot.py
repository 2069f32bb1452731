"""A bot over a local workspace and a real etcd cluster whose leader somebody else moves."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import aiohttp
import httpx
from slack_sdk.web.async_client import AsyncWebClient

from actions.diagnosis.models import ActionRecommendation
from actions.drafts import Proposition
from actions.models import ActionProposal, SafetyMode
from actions.ports import OutboxItem, OutboxKind
from bot.demo.cluster import DemoCluster
from bot.identity import build_directory
from bot.serve import Service
from bot.signals import Signals
from bot.wiring import assembled
from bot.workspace_identity import who_am_i
from storage.store import SqlStore
from tests.bot.running import Bot, ShiftedClock, local_workspace, settings_for
from tests.rig import AGENT, ANN_CLI, Target
from tests.subjects.wired import Wired, until, wired

TRANSFER: Final = "/v3/maintenance/transfer-leadership"


class Counting(httpx.AsyncBaseTransport):
    """Passes on what the bot asks of etcd, and counts; *meanwhile* happens once, and all that is asked waits for it."""

    def __init__(self) -> None:
        self.paths: list[str] = []
        self.meanwhile: Callable[[], Awaitable[object]] | None = None
        self._turn = asyncio.Lock()
        self._real = httpx.AsyncHTTPTransport()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        async with self._turn:
            if (meanwhile := self.meanwhile) is not None:
                self.meanwhile = None
                await meanwhile()
        self.paths.append(request.url.path)
        return await self._real.handle_async_request(request)

    async def aclose(self) -> None:
        await self._real.aclose()


@dataclass(frozen=True, slots=True)
class Raft:
    """What the members themselves say."""

    leader: str
    term: int
    changes: int
    """How many changes of the leader they have seen, all together."""


class Outsider:
    """Somebody who changes the cluster without the bot."""

    def __init__(self, cluster: DemoCluster) -> None:
        self._cluster = cluster

    async def raft(self) -> Raft:
        """Return what all members agree on; raises `ValueError` while they do not."""
        async with httpx.AsyncClient() as raw:
            said = {name: await self._status(raw, name) for name in self._cluster.endpoints}
            changes = [await self._changes(raw, url) for url in self._cluster.endpoints.values()]
        (leader,) = {status["leader"] for status in said.values()}
        (term,) = {status["raftTerm"] for status in said.values()}
        name = next(name for name, status in said.items() if status["header"]["member_id"] == leader)
        return Raft(leader=name, term=int(term), changes=sum(changes))

    async def move_leader(self, to: str) -> None:
        """Have etcd hand the leadership over; return when all members follow."""
        leader = (await self.raft()).leader
        async with httpx.AsyncClient() as raw:
            target = (await self._status(raw, to))["header"]["member_id"]
            reply = await raw.post(f"{self._cluster.endpoints[leader]}{TRANSFER}", json={"targetID": target})
            reply.raise_for_status()

        async def led() -> bool:
            try:
                return (await self.raft()).leader == to
            except ValueError:
                return False

        await until(led)

    async def _status(self, raw: httpx.AsyncClient, name: str) -> Any:
        return (await raw.post(f"{self._cluster.endpoints[name]}/v3/maintenance/status", json={})).json()

    async def _changes(self, raw: httpx.AsyncClient, url: str) -> int:
        lines = (await raw.get(f"{url}/metrics")).text.splitlines()
        (value,) = (line.split()[1] for line in lines if line.startswith("etcd_server_leader_changes_seen_total "))
        return int(float(value))


@dataclass(frozen=True)
class EtcdBot:
    """What a test acts on."""

    bot: Bot
    both: Wired
    calls: Counting
    outsider: Outsider

    async def followers(self) -> tuple[str, str]:
        """Return the two members that do not lead."""
        leader = (await self.outsider.raft()).leader
        one, other = (name for name in self.both.cluster.endpoints if name != leader)
        return one, other

    async def proposed(self, target_member: str) -> ActionProposal:
        """Propose to make this member the leader, and have it validated."""
        recommendation = ActionRecommendation(
            action_name="etcd.move_leader",
            parameters={"target_member": target_member},
            reason="its disk is the fastest",
            expected_outcome=f"{target_member} leads",
        )
        executor = self.bot.parts.executor
        proposal = await executor.propose_action(
            Proposition(recommendation=recommendation, source_key=f"move:{target_member}", by=AGENT)
        )
        return await self.validated(proposal.id)

    async def validated(self, proposal_id: int) -> ActionProposal:
        """Return the proposal once it is up for decision, whoever saw to it."""
        if (await self.bot.proposal(proposal_id)).status.value == "proposed":
            await self.bot.parts.sweeper.sweep()
        return await self.bot.proposal(proposal_id)

    async def card_text(self, proposal_id: int) -> str:
        """Return all that the card shows, as the presenter draws it now."""
        now = self.bot.clock.now()
        item = OutboxItem(
            id=1,
            kind=OutboxKind.CARD,
            ref=str(proposal_id),
            version=1,
            payload={},
            attempts=0,
            due_at=now,
            created_at=now,
        )
        shown = await self.bot.service._presenter.present(item)
        assert shown is not None
        return str(shown.payload())


@asynccontextmanager
async def etcd_bot(cluster: DemoCluster, folder: Path) -> AsyncIterator[EtcdBot]:
    """A bot in execute mode, wired as `operator run` wires it, that does not run yet."""
    calls, clock, signals = Counting(), ShiftedClock(), Signals()
    async with wired(cluster, calls) as both, local_workspace() as workspace:
        await both.until_well()
        settings = settings_for(workspace, folder)
        settings.state_dir.mkdir(mode=0o700)
        store = await asyncio.to_thread(SqlStore.open, settings.database, clock=clock)
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as session:
            client = AsyncWebClient(
                token=workspace.bot_token, base_url=workspace.base_url, session=session, retry_handlers=[]
            )
            who = await who_am_i(client)
            people = build_directory(client, who.team_id, clock)
            parts = await assembled(
                settings,
                store=store,
                subjects={"etcd": both.etcd, "supervisor": both.supervisor},
                clock=clock,
                publisher=signals,
                directory=people,
            )
            await parts.safety.set_mode(SafetyMode.EXECUTE, by=ANN_CLI, reason="test")
            service = Service(parts, client=client, who=who, channel="#ops", signals=signals, warm=people.warm)
            try:
                yield EtcdBot(
                    bot=Bot(
                        workspace=workspace,
                        settings=settings,
                        parts=parts,
                        service=service,
                        client=client,
                        target=Target(),
                        clock=clock,
                        signals=signals,
                    ),
                    both=both,
                    calls=calls,
                    outsider=Outsider(cluster),
                )
            finally:
                await store.close()
