"""Keeps those who decide known while something waits for them, so that no click waits for Slack to say who they are."""

from collections.abc import Awaitable, Callable, Sequence

from actions.lifecycle import PENDING
from actions.models import Actor, ActorKind, Verb
from actions.policy import GROUP, Grants
from actions.ports import Reader, Store

Warm = Callable[[Sequence[Actor]], Awaitable[None]]


class Acquaintance:
    """Asks about approvers ahead of time."""

    def __init__(self, *, store: Store, grants: Grants, warm: Warm) -> None:
        approvers = _approvers(grants)
        self._store = store
        self._warm = warm
        self._approvers = [
            Actor(ActorKind.SLACK, identity)
            for person in grants.people
            if person.name in approvers
            for identity in sorted(person.slack)
        ]

    async def renew(self) -> None:
        """Have whoever may approve looked up if anything is pending."""
        if await self._store.read(_something_waits):
            await self._warm(self._approvers)


def _approvers(grants: Grants) -> frozenset[str]:
    clauses = (clause.who for clause in grants.granted if Verb.APPROVE in clause.verbs)
    who = grants.verbs[Verb.APPROVE].union(*clauses)
    in_groups = (group.members for group in grants.groups if f"{GROUP}{group.name}" in who)
    return who.union(*in_groups)


def _something_waits(reader: Reader) -> bool:
    return bool(reader.proposals(statuses=PENDING, limit=1))
