"""Compares every open card in Slack with the database, and has delivery mend what differs."""

import logging
from typing import Any, Final

from slack_sdk.web.async_client import AsyncWebClient

from actions.lifecycle import IN_FLIGHT, PENDING
from actions.models import ActionProposal
from actions.ports import Clock, MessageRef, OutboxKind, Publisher, Reader, Store

log = logging.getLogger(__name__)

AT_ONCE: Final = 20
"""Cards compared per round; conversations.history allows about 50 calls a minute (tier 3)."""


class MessageCheck:
    """One look at each open card: is it there, and does it show the current state?"""

    def __init__(self, *, client: AsyncWebClient, store: Store, clock: Clock, publisher: Publisher) -> None:
        self._client = client
        self._store = store
        self._clock = clock
        self._publisher = publisher

    async def compare(self) -> int:
        """Compare the newest open cards; return how many had to be mended."""
        mended = 0
        for proposal, ref in await self._store.read(_open_cards):
            if not await self._is_current(proposal, ref):
                await self._mend(proposal)
                mended += 1
        return mended

    async def _is_current(self, proposal: ActionProposal, ref: MessageRef | None) -> bool:
        if ref is None:
            return False
        answer = await self._client.conversations_history(
            channel=ref.channel_id,
            oldest=ref.ts,
            latest=ref.ts,
            inclusive=True,
            limit=1,
            include_all_metadata=True,
        )
        shown: list[dict[str, Any]] = answer.get("messages") or []
        if not shown:
            log.warning("the card of action %d is gone from Slack; it is posted anew", proposal.id)
            await self._store.write(lambda tx: tx.forget_message(OutboxKind.CARD, str(proposal.id)))
            return False
        payload = (shown[0].get("metadata") or {}).get("event_payload") or {}
        return bool(payload.get("version") == proposal.version)

    async def _mend(self, proposal: ActionProposal) -> None:
        at = self._clock.now()
        await self._store.write(lambda tx: tx.enqueue(OutboxKind.CARD, str(proposal.id), at=at))
        self._publisher.changed()


def _open_cards(reader: Reader) -> list[tuple[ActionProposal, MessageRef | None]]:
    found = reader.proposals(statuses=PENDING | IN_FLIGHT, limit=AT_ONCE)
    return [(proposal, reader.message(OutboxKind.CARD, str(proposal.id))) for proposal in found]
