"""What was dealt with before: interactions by key, firings of jobs, and who holds which lease."""

from datetime import datetime
from typing import Final

from sqlalchemy import bindparam, delete, select

from actions.ports import InboxEntry
from storage.statements import Statements, build, upsert
from storage.tables import INBOX, JOB_RUNS, LEASES

_L = LEASES.c
_ENTRY: Final = select(INBOX).where(INBOX.c.key == bindparam("wanted"))
_TAKE: Final = upsert(INBOX).on_conflict_do_nothing(index_elements=[INBOX.c.key]).returning(INBOX.c.key)
_OLD: Final = select(INBOX.c.key).where(INBOX.c.at < bindparam("before")).limit(bindparam("at_most"))
_PRUNE: Final = delete(INBOX).where(INBOX.c.key.in_(_OLD)).returning(INBOX.c.key)
_CLAIM_RUN: Final = (
    upsert(JOB_RUNS)
    .on_conflict_do_nothing(index_elements=[JOB_RUNS.c.job, JOB_RUNS.c.fire_at])
    .returning(JOB_RUNS.c.job)
)
_HOLDER: Final = select(_L.owner).where(_L.name == bindparam("wanted"), _L.until > bindparam("now"))
_PUT_LEASE: Final = upsert(LEASES)
_HOLD: Final = _PUT_LEASE.on_conflict_do_update(
    index_elements=[_L.name],
    set_={"owner": _PUT_LEASE.excluded.owner, "until": _PUT_LEASE.excluded.until},
    where=(_L.owner == _PUT_LEASE.excluded.owner) | (_L.until <= bindparam("now", type_=_L.until.type)),
).returning(_L.name)
_DROP: Final = delete(LEASES).where(_L.name == bindparam("wanted"), _L.owner == bindparam("held_by"))


class InboxReads(Statements):
    """See `actions.ports.Reader`."""

    def inbox(self, key: str) -> InboxEntry | None:
        """See `actions.ports.Reader.inbox`."""
        row = self._first(_ENTRY, {"wanted": key})
        return None if row is None else build(InboxEntry, row)

    def lease_holder(self, name: str, now: datetime) -> str | None:
        """See `actions.ports.Reader.lease_holder`."""
        row = self._first(_HOLDER, {"wanted": name, "now": now})
        return None if row is None else str(row["owner"])


class InboxWrites(InboxReads):
    """See `actions.ports.Transaction`."""

    def take_inbox(self, key: str, *, body_hash: str, reply: str, at: datetime) -> InboxEntry | None:
        """See `actions.ports.Transaction.take_inbox`."""
        is_new = self._count(_TAKE, {"key": key, "body_hash": body_hash, "reply": reply, "at": at}) == 1
        return None if is_new else self.inbox(key)

    def claim_run(self, job: str, fire_at: datetime, at: datetime) -> bool:
        """See `actions.ports.Transaction.claim_run`."""
        return self._count(_CLAIM_RUN, {"job": job, "fire_at": fire_at, "at": at}) == 1

    def hold_lease(self, name: str, owner: str, *, now: datetime, until: datetime) -> bool:
        """See `actions.ports.Transaction.hold_lease`."""
        return self._count(_HOLD, {"name": name, "owner": owner, "until": until, "now": now}) == 1

    def drop_lease(self, name: str, owner: str) -> None:
        """See `actions.ports.Transaction.drop_lease`."""
        self._tell(_DROP, {"wanted": name, "held_by": owner})

    def _prune_inbox(self, before: datetime, limit: int) -> int:
        return self._count(_PRUNE, {"before": before, "at_most": limit})
