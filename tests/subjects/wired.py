"""The two subjects, put together over a real cluster as the program does it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import httpx

from actions.canonical import Json
from actions.registry import ActionDefinition, ActionRegistry, Done, Happened, Preview, Verdict
from actions.subject import Finding, Rule
from actions.subjects.etcd.config import EtcdConfig
from actions.subjects.etcd.subject import EtcdSubject
from actions.subjects.supervisor.client import SupervisorClient, connect
from actions.subjects.supervisor.config import SupervisorConfig
from actions.subjects.supervisor.subject import SupervisorSubject
from actions.validation import validate_action_params
from bot.demo.cluster import DemoCluster
from bot.system import SystemClock
from tests.subjects.steps import RecordedSteps

PASSWORD_ENV = "SUPERVISOR_PASSWORD"


T = TypeVar("T")


async def until(look: Callable[[], Awaitable[T | None]], within: float = 10.0) -> T:
    """Look again and again until there is something to see, and return it."""
    async with asyncio.timeout(within):
        while True:
            if seen := await look():
                return seen
            await asyncio.sleep(0.05)


@dataclass(frozen=True)
class Wired:
    """A cluster and the subjects that look after it."""

    cluster: DemoCluster
    client: SupervisorClient
    etcd: EtcdSubject
    supervisor: SupervisorSubject

    @property
    def registry(self) -> ActionRegistry:
        return ActionRegistry([*self.etcd.actions, *self.supervisor.actions])

    def action(self, name: str) -> ActionDefinition[Any]:
        return self.registry.get(name)

    async def preview(self, action: str, /, **parameters: Json) -> Preview:
        definition = self.action(action)
        return await definition.preview(validate_action_params(definition, parameters))

    async def execute(self, action: str, steps: RecordedSteps | None = None, /, **parameters: Json) -> Done:
        definition = self.action(action)
        return await definition.execute(validate_action_params(definition, parameters), steps or RecordedSteps())

    async def verify(self, action: str, before: Mapping[str, Json], /, **parameters: Json) -> Verdict:
        definition = self.action(action)
        return await definition.verify(validate_action_params(definition, parameters), before)

    async def verified(self, action: str, before: Mapping[str, Json], /, **parameters: Json) -> Verdict:
        """Look until the effect is there, as long as the action says that it may take."""

        async def look() -> Verdict | None:
            verdict = await self.verify(action, before, **parameters)
            return verdict if verdict.happened is Happened.YES else None

        return await until(look, within=self.action(action).verify_within)

    async def findings(self) -> list[tuple[str, Finding]]:
        """What the rules of both find now, in order."""
        return [
            *_found(self.etcd.rules, await self.etcd.observe()),
            *_found(self.supervisor.rules, await self.supervisor.observe()),
        ]

    async def until(self, *rules: str) -> Finding:
        """Look until one of these rules finds something, and return what."""

        async def look() -> Finding | None:
            return next((finding for rule, finding in await self.findings() if rule in rules), None)

        return await until(look)

    async def until_well(self) -> None:
        """Look until no rule finds anything."""

        async def look() -> bool:
            return not await self.findings()

        await until(look)


def _found(rules: Sequence[Rule[Any]], observation: object) -> list[tuple[str, Finding]]:
    return [(rule.id, finding) for rule in rules if (finding := rule.check(observation)) is not None]


@asynccontextmanager
async def wired(
    cluster: DemoCluster, over: httpx.AsyncBaseTransport | None = None, **etcd: Any
) -> AsyncIterator[Wired]:
    """Build both subjects; calls to etcd go over *over*, if given."""
    supervisor_config = SupervisorConfig(
        url=cluster.supervisor_url, username=cluster.supervisor_username, password_env=PASSWORD_ENV
    )
    etcd_config = EtcdConfig(
        **{
            "members": dict(cluster.endpoints),
            "processes": dict(cluster.process_names),
            "supervisor": "supervisor",
            **etcd,
        }
    )
    clock = SystemClock()
    client = connect(supervisor_config, {PASSWORD_ENV: cluster.supervisor_password})
    etcd_subject = EtcdSubject("etcd", etcd_config, clock=clock, environ={}, processes=client, over=over)
    supervisor = SupervisorSubject(
        "supervisor",
        supervisor_config,
        client=client,
        clock=clock,
        dependents=[etcd_subject],
        watched_elsewhere=etcd_subject.watched_processes,
    )
    try:
        yield Wired(cluster=cluster, client=client, etcd=etcd_subject, supervisor=supervisor)
    finally:
        await etcd_subject.close()
        await supervisor.close()
