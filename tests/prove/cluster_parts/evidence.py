"""When each request that changes a target left a process: written down beneath everything that is under test."""

import asyncio
import random
from collections.abc import Sequence
from typing import Final
from xmlrpc.client import loads

import httpx

from actions.models import ActionStatus
from actions.ports import Reader, Store
from tests.prove.race_parts.ledger import Ledger

ON_THE_WAY: Final = (0.0, 0.05, 0.1, 0.2, 0.4)
"""Seconds that a request takes to leave, one of these: as long as a kill takes, so that some leave afterwards."""
_CHANGING: Final = frozenset(
    {"/v3/maintenance/transfer-leadership", "/v3/maintenance/defragment", "/v3/kv/compaction", "/v3/kv/put"}
)
_COMMANDS: Final = frozenset({"supervisor.startProcess", "supervisor.stopProcess", "supervisor.signalProcess"})


class Evidence(httpx.AsyncBaseTransport):
    """Sends for one executor, which runs one action at a time, and writes down what changes something."""

    def __init__(self, ledger: Ledger, store: Store, owner: str, chance: random.Random) -> None:
        self.proposal_id = 0
        """What the executor is running."""
        self._ledger = ledger
        self._store = store
        self._owner = owner
        self._chance = chance
        self._real = httpx.AsyncHTTPTransport()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send it."""
        change = _change(request)
        if change:
            await self._leaves(change)
        return await self._real.handle_async_request(request)

    async def aclose(self) -> None:
        """Let go of it."""
        await self._real.aclose()

    async def _leaves(self, change: str) -> None:
        await asyncio.sleep(self._chance.choice(ON_THE_WAY))
        rightful = await self._store.read(self._is_ours)
        self._ledger.write(change, self._owner, self.proposal_id, rightful=rightful)

    def _is_ours(self, reader: Reader) -> bool:
        found = reader.proposal(self.proposal_id)
        return found is not None and (found.status, found.owner) == (ActionStatus.EXECUTING, self._owner)


def kinds(keys: Sequence[str]) -> str:
    """Return how often each kind of change was sent, in words."""
    names = sorted(set(keys))
    return ", ".join(f"{keys.count(name):,} {name}" for name in names)


def _change(request: httpx.Request) -> str:
    path = request.url.path
    if path in _CHANGING:
        return path.rpartition("/")[2]
    if path == "/v3/maintenance/alarm":
        return "" if b'"GET"' in request.content else "alarm"
    if path == "/RPC2":
        _, method = loads(request.content)
        return str(method).rpartition(".")[2] if method in _COMMANDS else ""
    return ""
