"""The audit log as people use it: read, and fixed in place by checkpoints that a witness keeps."""

from datetime import datetime
from typing import Protocol

from actions.models import Actor, AuditEvent, Caller, Checkpoint, Via
from actions.ports import Clock, Store, Transaction
from actions.transitions import note


class Witness(Protocol):
    """Something outside the database that keeps checkpoints, so that a rewritten log is found out."""

    name: str

    async def keep(self, checkpoint: Checkpoint) -> None:
        """Keep it durably. Raises `OSError` if it cannot."""
        ...


class ActionAuditor:
    """Reads the audit log and has its head witnessed."""

    def __init__(self, *, store: Store, witness: Witness, clock: Clock) -> None:
        self._store = store
        self._witness = witness
        self._clock = clock

    async def events(
        self,
        *,
        proposal_id: int | None = None,
        after_seq: int = 0,
        since: datetime | None = None,
        until: datetime | None = None,
        limit: int = 1_000,
    ) -> list[AuditEvent]:
        """Return events in order; see `actions.ports.Reader.audit`."""
        return await self._store.read(
            lambda reader: reader.audit(
                proposal_id=proposal_id, after_seq=after_seq, since=since, until=until, limit=limit
            )
        )

    async def checkpoint(self) -> Checkpoint:
        """Write down the length and head of the log, and give them to the witness.

        The witness gets it after the commit: a checkpoint that it holds is always of a durable log.
        """
        checkpoint = await self._store.write(self._take)
        await self._witness.keep(checkpoint)
        return checkpoint

    async def started(self, what: str) -> None:
        """Write down that a part of the program came up."""
        await self._note("start", what)

    async def stopped(self, what: str) -> None:
        """Write down that a part of the program went down in good order."""
        await self._note("stop", what)

    def _take(self, tx: Transaction) -> Checkpoint:
        now = self._clock.now()
        by = Caller(actor=Actor.system("auditor"), via=Via.SYSTEM)
        note(tx, "checkpoint", by=by, at=now, data={"witness": self._witness.name})
        checkpoint = tx.audit_head(now)
        tx.save_checkpoint(checkpoint, self._witness.name)
        return checkpoint

    async def _note(self, event: str, what: str) -> None:
        by = Caller(actor=Actor.system(what), via=Via.SYSTEM)
        await self._store.write(lambda tx: note(tx, event, by=by, at=self._clock.now()))
