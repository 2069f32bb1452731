"""Throws the kill switch, and waits until everybody has met it."""

import asyncio
import random
import time
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from actions.models import SafetyMode
from tests.prove.kill_parts.site import PROCESSES, Site
from tests.prove.race_parts.answers import Answer, told
from tests.rig import ANN, BO, Rig

STOPS_WITHIN: Final = 8.0
"""Seconds after which a process that still claims counts as one that never stops; it should take one at most."""
PREPARED_WITHIN: Final = 30.0
"""Seconds that the load may take to come up."""
LOOK: Final = 0.001
"""Seconds between two looks at what other processes do."""
_SOON: Final = 0.03
"""Seconds within which a kill comes once something runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """One kill, and how long after its return the last process was refused, in nanoseconds; None if one never was."""

    kill: Answer
    refused_after: int | None


class Killer:
    """A process of its own beside those under load."""

    def __init__(self, site: Site, rig: Rig, chance: random.Random) -> None:
        self.answers: list[Answer] = []
        self._site = site
        self._rig = rig
        self._chance = chance

    async def go_on(self) -> None:
        """Switch to execute."""
        reason = f"go on {len(self.answers)}"
        await self._do("execute", self._rig.safety.set_mode(SafetyMode.EXECUTE, by=ANN, reason=reason), reason)

    async def kill(self) -> Stop:
        """Kill, at some moment soon; return when everybody was refused and nothing runs any more."""
        await self.an_effect()
        await asyncio.sleep(self._chance.uniform(0, _SOON))
        kill = await self.throw()
        return Stop(kill=kill, refused_after=await self.all_refused(since=kill.ended))

    async def throw(self) -> Answer:
        """Kill now; return what it said."""
        reason = f"kill {len(self.answers)}"
        return await self._do("kill", self._rig.safety.kill_switch(by=BO, reason=reason), reason)

    async def an_effect(self) -> None:
        """Wait until one more begins; `TimeoutError` if none does for long."""
        before = self._site.effects
        async with asyncio.timeout(PREPARED_WITHIN):
            while self._site.effects == before:  # noqa: ASYNC110 - other processes cannot set our events
                await asyncio.sleep(LOOK)

    def kill_files(self) -> Sequence[str]:
        """Return what holds this host back."""
        return self._rig.kill_files.present()

    async def all_refused(self, *, since: int) -> int | None:
        """Wait until every process was refused and nothing runs; return how long after *since* the last was refused."""
        deadline = since + int(STOPS_WITHIN * 1e9)
        first: dict[int, int] = {}
        while len(first) < PROCESSES or self._site.under_way.sum():
            if time.monotonic_ns() > deadline:
                return None
            await asyncio.sleep(LOOK)
            for process in range(PROCESSES):
                at = self._site.refused_at[process]
                if at > since:
                    first.setdefault(process, at)
        return max(first.values()) - since

    async def _do(self, verb: str, work: Awaitable[object], reason: str) -> Answer:
        began = time.monotonic_ns()
        outcome = await work
        fields: dict[str, Any] = {"reason": reason, **told(outcome)}
        by = str((BO if verb == "kill" else ANN).actor)
        answer = Answer(verb=verb, by=by, owner="", began=began, ended=time.monotonic_ns(), **fields)
        self.answers.append(answer)
        return answer
