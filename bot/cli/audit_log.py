"""`operator audit list`, `verify` and `export`."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import orjson
import typer

from actions.errors import UnavailableError
from actions.models import AuditEvent
from actions.ports import Reader
from bot.action_json import audit_json
from bot.cli.output import clean, literal, note, print_json, print_json_line, print_table, say
from bot.reach import read_witness, reading, verify_audit, witness_path
from bot.settings import Settings, load
from bot.settings_values import duration
from bot.system import SystemClock
from bot.views.times import moment

_PAGE: Final = 1_000
_HEADINGS: Final = ("SEQ", "AT", "ACTION", "EVENT", "ACTOR", "VIA", "DATA")
_HASHES: Final = frozenset({"row", "record", "params_hash"})
"""Not for people; `--json` has them."""


async def list_events(
    *, proposal_id: int | None, since: str | None, until: str | None, limit: int, as_json: bool
) -> int:
    """Print what was done, the newest first."""
    now = SystemClock().now()
    first, last = _moment(since, now), _moment(until, now)

    def query(reader: Reader) -> list[AuditEvent]:
        # Ascending pages, of which the end is kept: without a filter they begin near the end.
        plain = proposal_id is None and first is None and last is None
        after_seq = max(0, reader.audit_head(now).seq - limit) if plain else 0
        kept: list[AuditEvent] = []
        while page := reader.audit(proposal_id=proposal_id, after_seq=after_seq, since=first, until=last, limit=_PAGE):
            kept = [*kept, *page][-limit:]
            after_seq = page[-1].seq
        return kept[::-1]

    async with reading(load()) as store:
        found = await store.read(query)
    if as_json:
        print_json([audit_json(event) for event in found])
    elif found:
        print_table(_HEADINGS, [_row(event) for event in found])
    else:
        note("nothing found")
    return 0


async def verify(*, against: Path | None, as_json: bool) -> int:
    """Check the whole log; 1 if anything is wrong."""
    settings = load()
    witness = against or _own_witness(settings)
    try:
        testimony = read_witness(witness) if witness else None
    except OSError as error:
        raise UnavailableError(f"The witness {witness} cannot be read: {error.strerror}.") from error
    checked = await verify_audit(settings, testimony.checkpoints if testimony else ())
    remarks = testimony.problems if testimony else ()
    if as_json:
        print_json(
            {
                "ok": checked.ok,
                "rows": checked.rows,
                "covered_up_to": checked.covered_up_to,
                "uncovered": checked.uncovered_rows,
                "witness": str(witness) if witness else None,
                "problems": checked.problems,
                "remarks": remarks,
            }
        )
        return 0 if checked.ok else 1
    for remark in remarks:
        note(remark)
    for problem in checked.problems:
        say(f"WRONG: {clean(problem)}")
    say(f"{checked.rows} lines; {len(checked.problems)} problem(s).")
    say(_coverage(checked.covered_up_to, checked.rows, witness))
    return 0 if checked.ok else 1


async def export() -> int:
    """Print the whole log, oldest first."""
    after_seq = 0
    async with reading(load()) as store:
        while page := await store.read(lambda reader: reader.audit(after_seq=after_seq, limit=_PAGE)):  # noqa: B023 - read at once
            for event in page:
                print_json_line(audit_json(event))
            after_seq = page[-1].seq
    return 0


def _own_witness(settings: Settings) -> Path | None:
    path = witness_path(settings)
    return path if path.exists() else None


def _coverage(covered_up_to: int, rows: int, witness: Path | None) -> str:
    if witness is None:
        return "No witness: a log that was rewritten as a whole would not be noticed. Name one with --against."
    if rows <= covered_up_to:
        return f"All of it is covered by the witness {witness}."
    return (
        f"Covered by the witness {witness} up to line {covered_up_to}; {rows - covered_up_to} newer line(s) are not "
        "yet covered: they are checked, but could have been rewritten together."
    )


def _row(event: AuditEvent) -> tuple[str, ...]:
    data = {name: value for name, value in event.data.items() if name not in _HASHES}
    return (
        str(event.seq),
        moment(event.at),
        "" if event.proposal_id is None else str(event.proposal_id),
        literal(event.event),
        literal(event.actor),
        event.via.value,
        clean(orjson.dumps(data).decode()) if data else "",
    )


def _moment(text: str | None, now: datetime) -> datetime | None:
    if text is None:
        return None
    try:
        return now - duration(text)
    except ValueError:
        pass
    try:
        moment_given = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(
            f"{text!r} is neither a time such as 2026-03-01T06:00 nor so long ago as 24h"
        ) from None
    return moment_given.replace(tzinfo=UTC) if moment_given.tzinfo is None else moment_given.astimezone(UTC)
