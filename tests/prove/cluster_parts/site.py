"""Where it happens: one real cluster, two subjects that look after it, one database, and processes under load."""

import asyncio
import logging
import multiprocessing
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.context import ForkProcess
from pathlib import Path
from typing import Final

from actions.ports import Store
from actions.registry import ActionRegistry
from actions.safety import introduce
from actions.subjects.etcd.config import EtcdConfig
from actions.subjects.etcd.subject import EtcdSubject
from actions.subjects.supervisor.client import connect
from actions.subjects.supervisor.config import SupervisorConfig
from actions.subjects.supervisor.subject import SupervisorSubject
from bot.demo.cluster import DemoCluster
from bot.system import SystemClock
from storage.audit_verify import verify
from storage.kill_files import DirectoryKillFiles
from storage.store import SqlStore
from tests.actions.parts import executor_over
from tests.factories import CountingEntropy
from tests.invariants import check_records, everything
from tests.prove.cluster_parts.evidence import Evidence
from tests.prove.cluster_parts.load import Load
from tests.prove.race_parts.arena import Numbers
from tests.prove.race_parts.ledger import Ledger
from tests.prove.race_parts.remains import Remains
from tests.rig import AT_ONCE, Rig

VIEWS: Final = ("north", "east", "south", "west")
"""Each is the whole cluster, so that several of its actions run at the same time, and one can be stopped alone."""
SUBJECTS: Final = (*VIEWS, "supervisor")
PROCESSES: Final = 2
_PASSWORD: Final = "PASSWORD"
_PATIENCE: Final = 30.0
"""Seconds to wait for the database."""
_FORK: Final = multiprocessing.get_context("fork")


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """What all processes know of."""

    cluster: DemoCluster
    folder: Path
    seed: str
    over: Numbers
    """1 when the load shall end."""

    @classmethod
    def at(cls, cluster: DemoCluster, folder: Path, seed: str) -> "Site":
        """Prepare the folder."""
        (folder / "state").mkdir(mode=0o700)
        return cls(cluster=cluster, folder=folder, seed=seed, over=Numbers(1))

    @property
    def url(self) -> str:
        """Where the database is."""
        return f"sqlite:///{self.folder}/operator.db"

    @property
    def ledger(self) -> Path:
        """Where it is written down what left."""
        return self.folder / "ledger"

    async def opened(self) -> SqlStore:
        """Open the database."""
        return await asyncio.to_thread(SqlStore.open, self.url, clock=SystemClock(), busy_timeout=_PATIENCE)

    def rig(self, store: Store, owner: str) -> Rig:
        """Return what one of them decides and stops through."""
        files = DirectoryKillFiles(self.folder / "state", entropy=CountingEntropy(prefix=owner))
        return Rig(store, files, SystemClock(), owner=owner, subjects=SUBJECTS)

    async def introduced(self) -> None:
        """Make the subjects known."""
        store = await self.opened()
        for name in SUBJECTS:
            await store.write(introduce(name, SystemClock()))
        await store.close()

    async def remains(self) -> Remains:
        """Return what is left when the load has ended."""
        store = await self.opened()
        problems = list(verify(self.url, []).problems)
        try:
            await store.read(lambda reader: check_records(reader, {}))
        except (AssertionError, ValueError) as error:
            problems.append(str(error) or repr(error))
        proposals = await store.read(everything)
        audit = await store.read(lambda reader: reader.audit(limit=1_000_000))
        await store.close()
        return Remains(proposals=proposals, audit=audit, problems=problems)

    @contextmanager
    def under_load(self) -> Iterator[None]:
        """Have processes act until the block ends."""
        processes: list[ForkProcess] = [_FORK.Process(target=_serve, args=(self, n)) for n in range(PROCESSES)]
        for process in processes:
            process.start()
        try:
            yield
        finally:
            self.over[0] = 1
            for process in processes:
                process.join()
        if any(process.exitcode for process in processes):
            raise RuntimeError("a process under load broke")


def _serve(site: Site, process: int) -> None:
    logging.disable()
    asyncio.run(_work(site, process))


async def _work(site: Site, process: int) -> None:
    store = await site.opened()
    await asyncio.gather(*(_act(site, store, view, f"host/{process}/{view}") for view in VIEWS))
    await store.close()


async def _act(site: Site, store: Store, view: str, owner: str) -> None:
    clock, chance, cluster = SystemClock(), random.Random(f"{site.seed}:{owner}"), site.cluster
    evidence = Evidence(Ledger(site.ledger), store, owner, chance)
    etcd_config = EtcdConfig(
        members=dict(cluster.endpoints), processes=dict(cluster.process_names), supervisor="supervisor"
    )
    config = SupervisorConfig(
        url=cluster.supervisor_url, username=cluster.supervisor_username, password_env=_PASSWORD, stop_within=3.0
    )
    client = connect(config, {_PASSWORD: cluster.supervisor_password}, evidence)
    etcd = EtcdSubject(view, etcd_config, clock=clock, environ={}, processes=client, over=evidence)
    supervisor = SupervisorSubject(
        "supervisor", config, client=client, clock=clock, dependents=[etcd], watched_elsewhere=etcd.watched_processes
    )
    executor = executor_over(
        site.rig(store, owner),
        registry=ActionRegistry([*etcd.actions, *supervisor.actions]),
        owner=owner,
        timing=AT_ONCE,
        entropy=CountingEntropy(prefix=owner),
    )
    load = Load(
        executor=executor,
        etcd=etcd,
        processes=client,
        evidence=evidence,
        chance=chance,
        over=lambda: bool(site.over[0]),
    )
    await load.run()
    await etcd.close()
    await supervisor.close()
