"""Kill after kill while real actions run: of everything, or of one subject."""

import asyncio
import json
import os
import random
import time
from base64 import b64encode
from collections.abc import Awaitable
from contextlib import suppress
from typing import Any, Final

import httpx

from actions.models import EVERYTHING, SafetyMode
from tests.prove.cluster_parts.site import SUBJECTS, Site
from tests.prove.race_parts.answers import Answer, told
from tests.rig import ANN, BO, Rig

SOON: Final = 0.4
"""Seconds within which a kill comes once something was sent."""
STOPPED_FOR: Final = 0.2
"""Seconds at most until it goes on."""
WITHIN: Final = 60.0
"""Seconds that may pass until something more is sent: the cluster may have to come back first."""
LOOK: Final = 0.002
_FILLING: Final = 0.02
_VALUE: Final = 48 * 1024
_SCOPES: Final = (EVERYTHING, EVERYTHING, EVERYTHING, *SUBJECTS)


class Killer:
    """A process of its own beside those under load."""

    def __init__(self, site: Site, rig: Rig, chance: random.Random) -> None:
        self.answers: list[Answer] = []
        self._site = site
        self._rig = rig
        self._chance = chance

    async def go_on(self, scope: str = EVERYTHING) -> None:
        """Switch to execute."""
        reason = f"go on {len(self.answers)}"
        work = self._rig.safety.set_mode(SafetyMode.EXECUTE, by=ANN, reason=reason, scope=scope)
        await self._do("execute", work, reason)

    async def kill(self) -> None:
        """Kill at some moment soon, and go on a while later."""
        await self._until_something_is_sent()
        await asyncio.sleep(self._chance.uniform(0, SOON))
        reason, scope = f"kill {len(self.answers)}", self._chance.choice(_SCOPES)
        await self._do("kill", self._rig.safety.kill_switch(by=BO, reason=reason, scope=scope), reason)
        await asyncio.sleep(self._chance.uniform(0, STOPPED_FOR))
        await self.go_on(scope)

    async def _until_something_is_sent(self) -> None:
        before = self._sent
        async with asyncio.timeout(WITHIN):
            while self._sent == before:  # noqa: ASYNC110 - other processes cannot set our events
                await asyncio.sleep(LOOK)

    @property
    def _sent(self) -> int:
        return self._site.ledger.stat().st_size if self._site.ledger.exists() else 0

    async def _do(self, verb: str, work: Awaitable[object], reason: str) -> None:
        began = time.monotonic_ns()
        fields: dict[str, Any] = {"reason": reason, **told(await work)}
        by = str((BO if verb == "kill" else ANN).actor)
        self.answers.append(Answer(verb=verb, by=by, owner="", began=began, ended=time.monotonic_ns(), **fields))


async def besieged(site: Site, kills: int) -> list[Answer]:
    """Kill so often; return what was answered."""
    store = await site.opened()
    killer = Killer(site, site.rig(store, "host/99/killer"), random.Random(site.seed))
    filling = asyncio.create_task(_fill(list(site.cluster.endpoints.values())))
    try:
        await killer.go_on()
        for _ in range(kills):
            await killer.kill()
    finally:
        site.over[0] = 1
        filling.cancel()
        await asyncio.wait([filling])
        await store.close()
    return killer.answers


async def _fill(endpoints: list[str]) -> None:
    """Overwrite a few keys, so that there is always history to drop and room to make."""
    value = b64encode(os.urandom(_VALUE)).decode()
    async with httpx.AsyncClient(trust_env=False, timeout=1.0) as client:
        number = 0
        while True:
            key = b64encode(f"load/{number % 4}".encode()).decode()
            with suppress(httpx.HTTPError):
                body = json.dumps({"key": key, "value": value})
                await client.post(f"{endpoints[number % len(endpoints)]}/v3/kv/put", content=body)
            number += 1
            await asyncio.sleep(_FILLING)
