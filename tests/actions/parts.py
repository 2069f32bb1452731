"""Short words for what tests of the core do again and again."""

from dataclasses import replace
from typing import Any

from actions.errors import StorageError
from actions.executor import ActionExecutor
from actions.models import ActionProposal, AuditEvent, Caller, Seen
from actions.ports import OutboxItem, OutboxKind, Store, Transaction
from tests.factories import CountingEntropy, FixedClock
from tests.invariants import check
from tests.rig import POLICY, Rig, Tokens


def executor_over(rig: Rig, **over: Any) -> ActionExecutor:
    """Another process on the same store, with other settings: a policy, a registry, a timing …"""
    given: dict[str, Any] = {
        "store": rig.store,
        "registry": rig.registry,
        "policy": POLICY,
        "directory": rig.directory,
        "kill_files": rig.kill_files,
        "clock": rig.clock,
        "entropy": CountingEntropy(prefix="another"),
        "button_tokens": Tokens(),
        "publisher": rig.publisher,
        "owner": "host/2/b",
    }
    return ActionExecutor(**{**given, **over})


def redefine(rig: Rig, name: str, **over: Any) -> None:
    """Let the registry offer the action with other parts, such as a preview that fails."""
    rig.registry._definitions[name] = replace(rig.registry.get(name), **over)


def card(proposal: ActionProposal, **over: str) -> Seen:
    """What stands on the one card of *proposal*."""
    shown = Seen(
        button_token=Tokens().token_for(proposal.token),
        params_hash=proposal.params_hash,
        team_id="T1",
        channel_id="C1",
        message_ts="1700000000.000100",
    )
    return replace(shown, **over)


def keyed(by: Caller, key: str) -> Caller:
    """The same person, with the key of one interaction."""
    return replace(by, key=key)


async def stored(store: Store, proposal_id: int) -> ActionProposal:
    """The proposal as it is now."""
    found = await store.read(lambda reader: reader.proposal(proposal_id))
    assert found is not None
    return found


async def status(store: Store, proposal_id: int) -> str:
    """Where the proposal stands, and why: `cancelled(stale)`, `failed(no_effect)`, `approved`."""
    proposal = await stored(store, proposal_id)
    why = proposal.reason_code or proposal.outcome
    return f"{proposal.status.value}({why.value})" if why else proposal.status.value


async def audit(store: Store, proposal_id: int | None = None) -> list[AuditEvent]:
    """What was written down, of one proposal or altogether."""
    return await store.read(lambda reader: reader.audit(proposal_id=proposal_id, limit=100_000))


async def events(store: Store, proposal_id: int) -> list[str]:
    """What happened to the proposal, in the words of the audit log."""
    return [event.event for event in await audit(store, proposal_id)]


async def outbox(rig: Rig, kind: OutboxKind) -> list[OutboxItem]:
    """What of this kind Slack does not show yet."""
    due = await rig.store.read(lambda reader: reader.outbox_due(rig.clock.now(), 10_000))
    return [item for item in due if item.kind is kind]


async def delivered(rig: Rig) -> None:
    """Let Slack show everything that is stored."""

    def work(tx: Transaction) -> None:
        for item in tx.outbox_due(rig.clock.now(), 10_000):
            tx.outbox_delivered(item)

    await rig.store.write(work)


async def require_sound(rig: Rig) -> None:
    """Assert the invariants over everything that is stored, and the ledger of effects."""
    await rig.store.read(lambda reader: check(reader, rig.target.ledger, {}))


class Faulty:
    """A store that refuses chosen writes: `refuse` is asked with the number of the write, from 1."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.refused: set[int] = set()
        """Which writes fail, counted from the last `restart`."""
        self.all = False
        self.count = 0

    def restart(self, *refused: int, all_of_them: bool = False) -> None:
        """Count anew, and refuse these."""
        self.refused, self.all, self.count = set(refused), all_of_them, 0

    async def write(self, work: Any, *, urgent: bool = False) -> Any:
        self.count += 1
        if self.all or self.count in self.refused:
            raise StorageError("The database is locked by another connection; nothing was recorded. Try again.")
        return await self._store.write(work, urgent=urgent)

    async def read(self, query: Any) -> Any:
        return await self._store.read(query)


class Slow:
    """A store whose writer lets others wait for so many seconds."""

    def __init__(self, store: Store, clock: FixedClock, seconds: float) -> None:
        self._store = store
        self._clock = clock
        self._seconds = seconds

    async def write(self, work: Any, *, urgent: bool = False) -> Any:
        self._clock.advance(self._seconds)
        return await self._store.write(work, urgent=urgent)

    async def read(self, query: Any) -> Any:
        return await self._store.read(query)
