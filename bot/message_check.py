"""Compares the cards in Slack with the database, and has delivery mend what differs."""

import logging
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final, TypeAlias

from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from actions.lifecycle import IN_FLIGHT, PENDING, TERMINAL
from actions.models import ActionProposal
from actions.ports import Clock, MessageRef, OutboxKind, Publisher, Reader, Store
from bot.own_messages import forget
from bot.slack_errors import Meaning, error_code, meaning

log = logging.getLogger(__name__)

AT_ONCE: Final = 20
"""Open cards compared per round; conversations.history allows about 50 calls a minute (tier 3)."""
ENDED: Final = 10
"""Cards compared that have ended, the newest: a last update can be lost as well as any other."""
_UNDELIVERED: Final = 1_000
_FAR: Final = timedelta(days=366)

Cards: TypeAlias = list[tuple[ActionProposal, MessageRef | None]]


class MessageCheck:
    """Looks at open cards, some in each round until all had their turn, and once at those that have ended."""

    def __init__(self, *, client: AsyncWebClient, store: Store, clock: Clock, publisher: Publisher) -> None:
        self._client = client
        self._store = store
        self._clock = clock
        self._publisher = publisher
        self._before: int | None = None
        self._done_with: set[int] = set()

    async def compare(self) -> int:
        """Compare a round of cards; return how many had to be mended.

        Raises:
            SlackApiError: Slack cannot answer now; the rest has its turn in a later round.
        """
        mended = 0
        cards, self._before = await self._store.read(self._round)
        for proposal, ref in cards:
            if not await self._is_current(proposal, ref):
                await self._mend(proposal)
                mended += 1
        return mended

    def _round(self, reader: Reader) -> tuple[Cards, int | None]:
        far = self._clock.now() + _FAR
        on_its_way = {item.ref for item in reader.outbox_due(far, _UNDELIVERED) if item.kind is OutboxKind.CARD}
        open_ones = reader.proposals(statuses=PENDING | IN_FLIGHT, before_id=self._before, limit=AT_ONCE)
        before = open_ones[-1].id if len(open_ones) == AT_ONCE else None
        ended = reader.proposals(statuses=TERMINAL, limit=ENDED)
        wanted = [p for p in (*open_ones, *ended) if p.id not in self._done_with and str(p.id) not in on_its_way]
        return [(proposal, reader.message(OutboxKind.CARD, str(proposal.id))) for proposal in wanted], before

    async def _is_current(self, proposal: ActionProposal, ref: MessageRef | None) -> bool:
        ended = proposal.status in TERMINAL
        if ref is None:
            return ended
        try:
            shown = await self._shown(ref)
        except SlackApiError as error:
            if meaning(error) in {Meaning.WAIT, Meaning.LOCKED_OUT}:
                raise
            log.warning("the card of action %d cannot be compared: %s", proposal.id, error_code(error))
            return True
        if shown is not None:
            current = _version(shown) == proposal.version
        else:
            current = ended  # whoever deletes a finished card wants it gone
            await self._forget(proposal, ref, ended=ended)
        if ended and current:
            self._done_with.add(proposal.id)
        return current

    async def _shown(self, ref: MessageRef) -> Mapping[str, Any] | None:
        answer = await self._client.conversations_history(
            channel=ref.channel_id,
            oldest=ref.ts,
            latest=ref.ts,
            inclusive=True,
            limit=1,
            include_all_metadata=True,
        )
        found: list[Mapping[str, Any]] = answer.get("messages") or []
        return next((message for message in found if message.get("ts") == ref.ts), None)

    async def _forget(self, proposal: ActionProposal, ref: MessageRef, *, ended: bool) -> None:
        if not ended:
            log.warning("the card of action %d is gone from Slack; it is posted anew", proposal.id)
            await self._store.write(lambda tx: forget(tx, ref))

    async def _mend(self, proposal: ActionProposal) -> None:
        at = self._clock.now()
        await self._store.write(lambda tx: tx.enqueue(OutboxKind.CARD, str(proposal.id), at=at))
        self._publisher.changed()


def _version(message: Mapping[str, Any]) -> object:
    return ((message.get("metadata") or {}).get("event_payload") or {}).get("version")
