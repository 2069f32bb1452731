"""The control rows: may anything be changed? What cannot be read means observe."""

from typing import Any, Final

from sqlalchemy import Select, bindparam, select

from actions.models import EVERYTHING, Control, ReasonCode, SafetyMode
from storage.columns import from_microseconds, microseconds
from storage.statements import Row, Statements, upsert
from storage.tables import CONTROL

_ONE: Final = select(CONTROL).where(CONTROL.c.scope == bindparam("wanted"))
# SQLite leaves FOR SHARE out: its BEGIN IMMEDIATE is the lock.
_ONE_LOCKED: Final = _ONE.with_for_update(read=True)
_ALL: Final = select(CONTROL).order_by(CONTROL.c.scope != EVERYTHING, CONTROL.c.scope)
_PUT: Final = upsert(CONTROL)
_PUT_OVER: Final = _PUT.on_conflict_do_update(
    index_elements=[CONTROL.c.scope],
    set_={column.name: _PUT.excluded[column.name] for column in CONTROL.c if column.name != "scope"},
)


class ControlReads(Statements):
    """See `actions.ports.Reader`."""

    def control(self, scope: str) -> Control:
        """See `actions.ports.Reader.control`."""
        return self._known.controls.get(scope) or self._read_control(_ONE, scope)

    def controls(self) -> list[Control]:
        """See `actions.ports.Reader.controls`."""
        return [_control(row) for row in self._rows(_ALL)]

    def _read_control(self, statement: Select[Any], scope: str) -> Control:
        row = self._first(statement, {"wanted": scope})
        control = Control(scope=scope) if row is None else _control(row)
        self._known.controls[scope] = control
        return control


class ControlWrites(ControlReads):
    """See `actions.ports.Transaction`."""

    _locked: set[str]

    def lock_control(self, scope: str) -> Control:
        """See `actions.ports.Transaction.lock_control`."""
        self._locked.add(scope)
        return self._known.controls.get(scope) or self._read_control(_ONE_LOCKED, scope)

    def set_control(self, control: Control) -> None:
        """See `actions.ports.Transaction.set_control`; `RuntimeError` without the lock."""
        if control.scope not in self._locked:
            raise RuntimeError(f"control row {control.scope!r} is not locked in this transaction")
        self._known.controls.pop(control.scope, None)
        self._tell(
            _PUT_OVER,
            {
                "scope": control.scope,
                "mode": control.mode.value,
                "epoch": control.epoch,
                "changed_by": control.changed_by,
                "changed_at": None if control.changed_at is None else microseconds(control.changed_at),
                "reason": control.reason,
                "stopped_as": control.stopped_as.value,
            },
        )


def _control(row: Row) -> Control:
    try:
        return Control(
            scope=row["scope"],
            mode=SafetyMode(row["mode"]),
            epoch=int(row["epoch"]),
            changed_by=row["changed_by"],
            changed_at=None if row["changed_at"] is None else from_microseconds(row["changed_at"]),
            reason=row["reason"],
            stopped_as=ReasonCode(row["stopped_as"]),
        )
    except (ValueError, TypeError):
        # Whoever damaged it must not thereby switch to execute.
        return Control(scope=row["scope"])
