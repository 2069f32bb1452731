"""A target that asks the database, before an effect begins, whether it may, and writes the effect down."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Sequence

from actions.models import ActionStatus
from actions.ports import Reader, Store
from actions.registry import Done
from tests.prove.race_parts.ledger import Ledger
from tests.rig import Target


class WatchedTarget(Target):
    """What one executor changes."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        counts: Counter[str],
        store: Store,
        owner: str,
        proposal_of: Callable[[str], int],
        chance: random.Random,
        on_the_way: Sequence[float],
    ) -> None:
        super().__init__(ledger=counts)
        self.chance = chance
        self._written = ledger
        self._store = store
        self._owner = owner
        self._proposal_of = proposal_of
        self._on_the_way = on_the_way

    async def _touch(self, key: str) -> Done:
        await self.begin(key)
        return Done(detail=f"touched {key}")

    async def begin(self, key: str) -> None:
        """Let what was sent arrive, one of *on_the_way* seconds later."""
        await asyncio.sleep(self.chance.choice(self._on_the_way))
        proposal_id = self._proposal_of(key)
        rightful = await self._store.read(lambda reader: self._is_ours(reader, proposal_id))
        self._written.write(key, self._owner, proposal_id, rightful=rightful)
        self.ledger[key] += 1

    def _is_ours(self, reader: Reader, proposal_id: int) -> bool:
        found = reader.proposal(proposal_id)
        return found is not None and (found.status, found.owner) == (ActionStatus.EXECUTING, self._owner)
