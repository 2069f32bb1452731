"""Diagnoses, and the tickets that they answer."""

from dataclasses import fields
from datetime import datetime
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import Select, bindparam, select

from actions.diagnosis.models import Diagnosis, DiagnosisOutput, Ticket, TicketStatus
from storage.columns import json_text
from storage.statements import Row, Statements, build, damaged, upsert
from storage.tables import DIAGNOSES, TICKETS

_D = DIAGNOSES.c
_T = TICKETS.c
_TICKET: Final = tuple(field.name for field in fields(Ticket))

_BY_ID: Final = select(DIAGNOSES).where(_D.id == bindparam("wanted"))
_BY_SOURCE: Final = select(DIAGNOSES).where(_D.source_key == bindparam("wanted"))
_INSERT: Final = upsert(DIAGNOSES).on_conflict_do_nothing(index_elements=[_D.source_key]).returning(DIAGNOSES)
_TICKET_OF: Final = select(TICKETS).where(_T.key == bindparam("wanted"))
_PUT: Final = upsert(TICKETS)
_SAVE: Final = _PUT.on_conflict_do_update(
    index_elements=[_T.key], set_={name: _PUT.excluded[name] for name in _TICKET if name != "key"}
)


class DiagnosisReads(Statements):
    """See `actions.ports.Reader`."""

    def diagnosis(self, diagnosis_id: int) -> Diagnosis | None:
        """See `actions.ports.Reader.diagnosis`."""
        row = self._first(_BY_ID, {"wanted": diagnosis_id})
        return None if row is None else _diagnosis(row)

    def diagnosis_by_source(self, source_key: str) -> Diagnosis | None:
        """See `actions.ports.Reader.diagnosis_by_source`."""
        row = self._first(_BY_SOURCE, {"wanted": source_key})
        return None if row is None else _diagnosis(row)

    def ticket(self, key: str) -> Ticket | None:
        """See `actions.ports.Reader.ticket`."""
        row = self._first(_TICKET_OF, {"wanted": key})
        return None if row is None else build(Ticket, row)

    def tickets(self, *, subject: str | None = None, open_only: bool = True) -> list[Ticket]:
        """See `actions.ports.Reader.tickets`."""
        wanted = {} if subject is None else {"of_subject": subject}
        query = _tickets(of_one_subject=subject is not None, open_only=open_only)
        return [build(Ticket, row) for row in self._rows(query, wanted)]


class DiagnosisWrites(DiagnosisReads):
    """See `actions.ports.Transaction`."""

    def insert_diagnosis(
        self,
        output: DiagnosisOutput,
        *,
        source_key: str,
        subject: str,
        target: str,
        source: str,
        made_at: datetime,
        observed_only: bool,
        channel: str | None = None,
        ticket_key: str | None = None,
    ) -> Diagnosis | None:
        """See `actions.ports.Transaction.insert_diagnosis`."""
        row = self._first(
            _INSERT,
            {
                "source_key": source_key,
                "subject": subject,
                "target": target,
                "source": source,
                "output": json_text(output.model_dump(mode="json")),
                "made_at": made_at,
                "observed_only": observed_only,
                "channel": channel,
                "ticket_key": ticket_key,
            },
        )
        return None if row is None else _diagnosis(row)

    def save_ticket(self, ticket: Ticket) -> None:
        """See `actions.ports.Transaction.save_ticket`."""
        self._tell(_SAVE, {name: getattr(ticket, name) for name in _TICKET})


@lru_cache
def _tickets(*, of_one_subject: bool, open_only: bool) -> Select[Any]:
    query = select(TICKETS).order_by(_T.opened_at, _T.key)
    if of_one_subject:
        query = query.where(_T.subject == bindparam("of_subject"))
    return query.where(_T.status == TicketStatus.OPEN) if open_only else query


def _diagnosis(row: Row) -> Diagnosis:
    try:
        output = DiagnosisOutput.model_validate_json(row["output"])
    except ValueError as error:
        raise damaged(error) from error
    return build(Diagnosis, {**row, "output": output})
