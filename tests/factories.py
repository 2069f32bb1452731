"""Small, deterministic stand-ins for time, randomness and records, shared by all tests."""

import asyncio
import zlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from actions.canonical import digest
from actions.models import ActionProposal, Risk, Urgency

START: Final = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


class FixedClock:
    """A clock that stands still unless it is told to go on; sleeping on it takes no time, and moves it."""

    def __init__(self, start: datetime = START) -> None:
        self._now = start
        self._elapsed = 0.0

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return self._elapsed

    def advance(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)
        self._elapsed += seconds

    async def sleep(self, seconds: float) -> None:
        self.advance(seconds)
        await asyncio.sleep(0)


class CountingEntropy:
    """Tokens in order; those of different prefixes differ."""

    def __init__(self, prefix: str = "") -> None:
        self._prefix = zlib.crc32(prefix.encode())
        self._count = 0

    def token(self) -> str:
        self._count += 1
        return f"{self._prefix:016x}{self._count:016x}"


def a_proposal(**over: Any) -> ActionProposal:
    """Return a proposal with these fields; its token and hashes follow from `source_key` and `parameters`."""
    parameters = over.get("parameters", {"member": "etcd-3", "force": False})
    source_key = over.get("source_key", "test:1")
    proposal = ActionProposal(
        id=0,
        token=digest(source_key)[:32],
        button_hash=digest(["button", source_key]),
        source_key=source_key,
        action_name="etcd.move_leader",
        definition_hash=digest("etcd.move_leader"),
        parameters=parameters,
        params_hash=digest(parameters),
        subject="etcd",
        target="etcd-3",
        risk=Risk.MEDIUM,
        required_approvals=1,
        reason="etcd-3 answers slowly",
        urgency=Urgency.SOON,
        expected_outcome="another member leads",
        risks=("a short pause of writes",),
        proposed_by="agent:rules",
        proposed_at=START,
        expires_at=START + timedelta(hours=1),
        epoch=1,
        subject_epoch=1,
    )
    return replace(proposal, **over)
