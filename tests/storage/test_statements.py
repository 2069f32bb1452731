"""Every statement is valid on both databases, and reads by an index."""

import importlib
import pkgutil
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Delete, Insert, Select, Update
from sqlalchemy.engine import make_url

import storage
from actions.lifecycle import PENDING
from actions.ports import OutboxKind, Reader
from storage.store import SqlStore
from tests.factories import START
from tests.storage.test_writer import driver


def statements() -> Iterator[tuple[str, Select[Any] | Insert | Update | Delete]]:
    for module in pkgutil.iter_modules(storage.__path__):
        if not module.ispkg:
            for name, value in vars(importlib.import_module(f"storage.{module.name}")).items():
                if isinstance(value, Select | Insert | Update | Delete):
                    yield f"{module.name}.{name}", value


def test_every_statement_compiles_for_both_databases() -> None:
    found = dict(statements())
    for statement in found.values():
        for url in ("sqlite://", "postgresql://"):
            assert str(statement.compile(dialect=make_url(url).get_dialect()()))

    assert len(found) > 30


QUERIES: dict[str, Callable[[Reader], object]] = {
    "all": lambda reader: reader.proposals(before_id=5),
    "by status": lambda reader: reader.proposals(statuses=PENDING, before_id=5),
    "by subject": lambda reader: reader.proposals(subject="etcd", before_id=5),
    "by diagnosis": lambda reader: reader.proposals(diagnosis_id=1),
    "by source": lambda reader: reader.proposal_by_source("x"),
    "earlier epochs": lambda reader: reader.pending_of_earlier_epochs(5),
    "overdue": lambda reader: reader.overdue(START, 5),
    "leases": lambda reader: reader.leases_run_out(START, 5),
    "in flight": lambda reader: reader.in_flight_on("etcd", "etcd-3"),
    "approvals": lambda reader: reader.approvals(1),
    "record": lambda reader: reader.record(1),
    "attempts": lambda reader: reader.attempts("etcd", since=START, limit=5),
    "ended attempts": lambda reader: reader.attempts("etcd", since=START, ended=True, limit=5),
    "dossier": lambda reader: reader.dossier(1),
    "audit": lambda reader: reader.audit(after_seq=5),
    "audit of a proposal": lambda reader: reader.audit(proposal_id=1, after_seq=5),
    "audit of a period": lambda reader: reader.audit(since=START, until=START + timedelta(days=1), after_seq=5),
    "audit head": lambda reader: reader.audit_head(START),
    "diagnosis by source": lambda reader: reader.diagnosis_by_source("x"),
    "ticket": lambda reader: reader.ticket("x"),
    "tickets": lambda reader: reader.tickets(),
    "message": lambda reader: reader.message(OutboxKind.CARD, "1"),
    "outbox": lambda reader: reader.outbox_due(START, 5),
    "inbox": lambda reader: reader.inbox("x"),
    "lease": lambda reader: reader.lease_holder("x", START),
}


HARMLESS = {"all": ("SCAN proposals",), "audit head": ("SCAN audit",)}
"""Walked from the newest end, and left after a few rows."""


@pytest.mark.parametrize("name", QUERIES)
async def test_every_list_is_read_by_an_index(sql_store: SqlStore, name: str) -> None:
    plans = await _plans(sql_store, QUERIES[name])

    assert plans
    scans = [detail for detail in plans if detail.startswith("SCAN") and detail not in HARMLESS.get(name, ())]
    assert scans == []


@pytest.mark.parametrize(
    ("query", "index"),
    [
        (lambda reader: reader.proposals(statuses=PENDING, subject="etcd", before_id=5), "proposals_status"),
        (lambda reader: reader.proposals(statuses=PENDING, diagnosis_id=1), "proposals_diagnosis"),
    ],
    ids=["of a subject", "of a diagnosis"],
)
async def test_what_waits_is_found_without_reading_what_is_over(
    sql_store: SqlStore, query: Callable[[Reader], object], index: str
) -> None:
    plans = await _plans(sql_store, query)

    assert len(plans) == len(PENDING)
    assert all(index in plan for plan in plans), plans


async def _plans(sql_store: SqlStore, query: Callable[[Reader], object]) -> list[str]:
    said: list[str] = []

    def work(tx: Reader) -> None:
        driver(sql_store).set_trace_callback(said.append)
        query(tx)
        driver(sql_store).set_trace_callback(None)

    await sql_store.write(work)
    return [
        detail
        for sql in said
        if sql.startswith("SELECT")
        for *_, detail in driver(sql_store).execute(f"EXPLAIN QUERY PLAN {sql}").fetchall()
    ]
