"""What is left when all is over: settled, read, and held to the invariants and to `audit verify`."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from actions.models import ActionProposal, AuditEvent
from storage.audit_verify import verify
from tests.invariants import check, everything
from tests.prove.race_parts.ledger import Effect
from tests.rig import Rig


@dataclass(frozen=True, slots=True, kw_only=True)
class Remains:
    """The database at the end."""

    proposals: Sequence[ActionProposal]
    audit: Sequence[AuditEvent]
    problems: Sequence[str]


async def remains_of(rig: Rig, url: str, effects: Sequence[Effect]) -> Remains:
    """Let sweeper and reconciler finish, then read everything."""
    await rig.sweeper.sweep()
    await rig.reconciler.reconcile()
    problems = [*await _broken(rig, effects), *verify(url, []).problems]
    proposals = await rig.store.read(everything)
    audit = await rig.auditor.events(limit=1_000_000)
    return Remains(proposals=proposals, audit=audit, problems=problems)


async def _broken(rig: Rig, effects: Sequence[Effect]) -> list[str]:
    try:
        await rig.store.read(lambda reader: check(reader, Counter(effect.key for effect in effects), {}))
    except (AssertionError, ValueError) as error:
        return [str(error) or repr(error)]
    return []
