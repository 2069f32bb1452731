"""Whether anything may be changed: the stored mode, the epochs, and the kill switch. Nothing here remembers."""

import logging
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from actions.auditor import ActionAuditor
from actions.canonical import Json
from actions.errors import (
    AlreadyDecidedError,
    BadRequestError,
    ConflictError,
    ExpiredError,
    KilledError,
    NotAuthorizedError,
    NotFoundError,
    NothingStoppedError,
    ObserveOnlyError,
    OperatorError,
    StorageError,
    UnknownSubjectError,
)
from actions.lifecycle import EXECUTING, EXPIRE, KILL, STAND_DOWN, UNKNOWN, Transition
from actions.lifting import people_for
from actions.models import (
    EVERYTHING,
    ActionProposal,
    Actor,
    AuditEvent,
    Caller,
    Control,
    Lift,
    ReasonCode,
    SafetyMode,
    Verb,
    Via,
)
from actions.ports import Clock, Directory, KillFiles, OutboxKind, Policy, Publisher, Reader, Store, Transaction
from actions.printable import printable
from actions.transitions import note, transition

log = logging.getLogger(__name__)

BATCH: Final = 500
"""Pending proposals cancelled per transaction, so that a large backlog never holds the database for long."""
MAX_REASON: Final = 500
EXPLAINED: Final = "explained"
"""The event of a reason that was given after a stop, and in the payload of its announcement the line of that event."""
_STOPS: Final = frozenset({"kill_switch", "mode_change"})
SWEEPER: Final = Caller(actor=Actor.system("sweeper"), via=Via.SYSTEM)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopped:
    """What a kill did."""

    recorded: bool
    """False: the database could not be written; the kill file stops new claims on this host, and nothing is listed."""
    scope: str = EVERYTHING
    seq: int | None = None
    """The line of the audit log that it was recorded in."""
    cancelled: int
    in_flight: tuple[ActionProposal, ...]
    """Every action whose effect may still begin or be under way: running, or of unknown outcome."""
    problem: str = ""
    """Why it could not be recorded, why the backlog is left to the sweeper, or why this host stays held back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Switched:
    """What a change of mode did, or how many more people it needs."""

    control: Control
    """The row of the scope, as it is now."""
    decides: Control
    """The row that decides for the scope now: the one for everything, where that stops."""
    seq: int | None = None
    """The line of the audit log that it was recorded in; None if nothing was changed."""
    cancelled: int = 0
    in_flight: tuple[ActionProposal, ...] = ()
    """After a change to observe, every action whose effect may still begin or be under way."""
    have: int = 1
    """How many different people have asked for it in the last ten minutes."""
    need: int = 1
    """How many have to."""

    @property
    def waits(self) -> bool:
        """Return whether nothing was switched yet, because more people have to ask."""
        return self.have < self.need


def effective(reader: Reader, scope: str) -> Control:
    """Return the row that decides for *scope*: its own if that stops, else the one for everything."""
    overall = reader.control(EVERYTHING)
    if scope == EVERYTHING or overall.mode is SafetyMode.OBSERVE:
        return overall
    return reader.control(scope)


def combined_epoch(reader: Reader, scope: str) -> int:
    """Return a number that grows with every change of mode that concerns *scope*."""
    return reader.control(EVERYTHING).epoch + reader.control(scope).epoch


def lock(tx: Transaction, scope: str) -> tuple[Control, Control]:
    """Lock and return both control rows that decide for *scope*, in the order that everybody locks them."""
    return tx.lock_control(EVERYTHING), tx.lock_control(scope)


def require_live(
    tx: Transaction, proposal: ActionProposal, kill_files: KillFiles, *, now: datetime
) -> OperatorError | None:
    """Return None if *proposal* may go on, else the refusal, having moved it to where it belongs.

    Locks both control rows. LIVE: both modes execute, both epochs those of the proposal, time left, no kill file.
    """
    overall, own = lock(tx, proposal.subject)
    stop = next((row for row in (overall, own) if row.mode is not SafetyMode.EXECUTE), None)
    if is_of_earlier_epoch(proposal, overall, own):
        stand_down(tx, proposal, overall, own, at=now)
        return KilledError("it was proposed before the last stop")
    if stop is not None:
        return ObserveOnlyError(stop.scope)
    held = kill_files.present(proposal.subject)
    if held:
        return KilledError(f"this host is held back by {held[0]}")
    if is_overdue(proposal, now):
        transition(tx, EXPIRE, proposal, by=SWEEPER, at=now)
        return ExpiredError(proposal.id)
    return None


def is_of_earlier_epoch(proposal: ActionProposal, overall: Control, own: Control) -> bool:
    """Return whether the mode was changed since it was proposed."""
    return proposal.epoch != overall.epoch or proposal.subject_epoch != own.epoch


def is_overdue(proposal: ActionProposal, now: datetime) -> bool:
    """Return whether the time to decide, or to run, has passed."""
    deadlines = (proposal.expires_at, proposal.approval_expires_at)
    return any(deadline is not None and now >= deadline for deadline in deadlines)


def stand_down(tx: Transaction, proposal: ActionProposal, overall: Control, own: Control, *, at: datetime) -> None:
    """Cancel a pending proposal of an earlier epoch, for the reason of the stop that ended it."""
    stopper = overall if proposal.epoch != overall.epoch else own
    row, code = _stop_as(stopper.stopped_as)
    data: dict[str, Json] = {"reason_code": code.value}
    if stopper.mode is SafetyMode.OBSERVE:
        data["stopped_by"] = stopper.changed_by
    transition(
        tx,
        row,
        proposal,
        by=SWEEPER,
        at=at,
        changes={"reason_code": code, "detail": stopper.reason if stopper.mode is SafetyMode.OBSERVE else ""},
        data=data,
    )


def _stop_as(code: ReasonCode) -> tuple[Transition, ReasonCode]:
    if code is ReasonCode.KILL_SWITCH:
        return KILL, code
    return STAND_DOWN, ReasonCode.MODE_OBSERVE


def require_known(scope: str, subjects: Collection[str], *, so: str) -> None:
    """Return if *scope* is everything or one of *subjects*; else raise `UnknownSubjectError`, which adds *so*."""
    if scope != EVERYTHING and scope not in subjects:
        raise UnknownSubjectError(scope, sorted(subjects), so=so)


NOTHING_STOPPED: Final = "Nothing was stopped; to stop everything, throw the kill switch without naming a subject."
_NOTHING_SWITCHED: Final = "Nothing was changed; to switch the mode of everything, name no subject."


@dataclass(frozen=True, slots=True, kw_only=True)
class _Order:
    """A change of mode that is asked for."""

    mode: SafetyMode
    scope: str
    reason: str
    by: Caller
    person: str


class SafetyController:
    """Reads and changes the stored mode; throws the kill switch.

    What can be stopped is everything, or one of *subjects*; lifting a stop takes *lift_people* different people.
    """

    def __init__(
        self,
        *,
        store: Store,
        kill_files: KillFiles,
        policy: Policy,
        directory: Directory,
        auditor: ActionAuditor,
        clock: Clock,
        publisher: Publisher,
        subjects: Collection[str],
        lift_people: int = 1,
    ) -> None:
        self._store = store
        self._kill_files = kill_files
        self._policy = policy
        self._directory = directory
        self._auditor = auditor
        self._clock = clock
        self._publisher = publisher
        self._subjects = subjects
        self._lift_people = lift_people

    async def control(self, scope: str = EVERYTHING) -> Control:
        """Return what holds for *scope* now; observe where it cannot be read, or where a kill file lies."""
        control = await self._store.read(lambda reader: effective(reader, scope))
        held = self._kill_files.present(scope)
        if held and control.mode is SafetyMode.EXECUTE:
            return replace(control, mode=SafetyMode.OBSERVE, reason=f"this host is held back by {held[0]}")
        return control

    async def set_mode(self, mode: SafetyMode, *, by: Caller, reason: str = "", scope: str = EVERYTHING) -> Switched:
        """Switch the mode; to observe cancels everything pending.

        Execute where the mode is execute already changes nothing, unless a kill file lies here: what was approved
        before that kill is then cancelled.

        Setting execute needs a reason, and as many different people as the controller was told; what all but the last
        of them want is only recorded. Once it is committed it removes this host's kill files for the same scope.

        Raises:
            UnknownSubjectError, NotAuthorizedError, BadRequestError
            StorageError: it was not recorded; or it was, and a kill file cannot be removed, as the text then says
        """
        executes = mode is SafetyMode.EXECUTE
        require_known(scope, self._subjects, so=_NOTHING_SWITCHED if executes else NOTHING_STOPPED)
        reason = _checked_reason(reason, needed_for="`mode execute`" if executes else None)
        person = await self._require(by, Verb.SET_MODE if executes else Verb.KILL, scope)
        order = _Order(mode=mode, scope=scope, reason=reason, by=by, person=person)
        files = self._files_of(scope)
        switched = await self._store.write(lambda tx: self._change(tx, order, held=bool(files)), urgent=True)
        problem = self._lift(files) if executes and not switched.waits else ""
        cancelled = await self.sweep_stopped()
        self._publisher.changed()
        if problem:
            raise StorageError(f"The mode is execute. {problem}")
        return replace(switched, cancelled=cancelled)

    async def kill_switch(self, *, by: Caller, reason: str = "", scope: str = EVERYTHING) -> Stopped:
        """Stop everything at once: first on this host by a file, then for every process by a new epoch.

        When it returns with `recorded`, no effect begins any more that is not in `in_flight`.

        Raises:
            UnknownSubjectError, NotAuthorizedError: nothing was stopped
            NothingStoppedError: neither the kill file nor the database could be written
        """
        require_known(scope, self._subjects, so=NOTHING_STOPPED)
        reason = said(reason)  # cut where it is too long: nothing in a reason may keep anybody from stopping
        await self._require(by, Verb.KILL, scope)
        file = self._drop_kill_file(scope)
        try:
            stopped = await self._store.write(lambda tx: self._kill(tx, by=by, reason=reason, scope=scope), urgent=True)
        except StorageError as error:
            if file is not None and file not in self._kill_files.present():
                file = self._drop_kill_file(scope)  # somebody set execute in between
            if file is None:
                raise NothingStoppedError(str(error)) from error
            log.exception("the kill switch could not be recorded; %s stays", file)
            return Stopped(recorded=False, scope=scope, cancelled=0, in_flight=(), problem=str(error))
        problem = "" if file is None else self._lift([file])
        self._publisher.changed()
        stopped = await self._cancel_backlog(stopped)
        await self._have_it_witnessed()
        return replace(stopped, problem=f"{stopped.problem} {problem}".strip())

    async def explain_stop(self, seq: int, *, by: Caller, reason: str) -> None:
        """Write down why somebody stopped without giving a reason; the channel's announcement then shows it.

        Whoever may stop may explain. Of several explanations the newest is shown.

        Args:
            seq: the line of the audit log that records the stop, as in `Stopped`.
            by: who explains.
            reason: cut where it is too long.

        Raises:
            NotFoundError: that line records no stop
            ConflictError: a reason was given with the stop
            BadRequestError, NotAuthorizedError, StorageError
        """
        reason = said(reason)
        if not reason:
            raise BadRequestError("No reason was given, so nothing was written down. What was stopped stays stopped.")
        stop = _without_reason(await self._store.read(lambda reader: reader.audit_event(seq)), seq)
        await self._require(by, Verb.KILL, str(stop.data["scope"]))
        await self._store.write(lambda tx: self._explain(tx, stop, by=by, reason=reason), urgent=True)
        self._publisher.changed()

    async def sweep_stopped(self) -> int:
        """Cancel what is still pending from before the last stop, in batches; return how many."""
        total = 0
        while batch := await self._store.write(self._stand_down_batch):
            total += batch
            self._publisher.changed()
        return total

    def _drop_kill_file(self, scope: str) -> str | None:
        try:
            return self._kill_files.drop(scope)
        except OSError:
            log.exception("no kill file could be written; the database has to do")
            return None

    def _files_of(self, scope: str) -> list[str]:
        """Return the kill files that lifting the stop of *scope* removes: not those that hold everything back too."""
        files = self._kill_files.present(scope)
        others = () if scope == EVERYTHING else self._kill_files.present(EVERYTHING)
        return [file for file in files if file not in others]

    def _lift(self, files: Collection[str]) -> str:
        """Remove these kill files; return what to tell people if one stays."""
        try:
            self._kill_files.remove(files)
        except OSError as error:
            log.exception("a kill file stays")
            return (
                f"A kill file cannot be removed ({error.strerror}) and holds this host back: nothing runs here until "
                "it is gone. Mend the disk of the state directory, then set `mode execute` again."
            )
        return ""

    async def _cancel_backlog(self, stopped: Stopped) -> Stopped:
        try:
            return replace(stopped, cancelled=await self.sweep_stopped())
        except StorageError as error:
            problem = f"{error} What was pending cannot run any more; `operator run` finishes cancelling it."
            return replace(stopped, problem=problem)

    async def _have_it_witnessed(self) -> None:
        try:
            await self._auditor.checkpoint()
        except (StorageError, OSError):
            log.exception("the kill is recorded, but no witness could be given the audit log's head")

    async def _require(self, by: Caller, verb: Verb, scope: str) -> str:
        """Return the person behind the actor, if they may; else write that down and raise `NotAuthorizedError`."""
        standing = await self._directory.standing(by.actor)
        subject = None if scope == EVERYTHING else scope
        decision = self._policy.authorize(by.actor, verb, None, standing, via=by.via, subject=subject)
        if not decision.allowed:
            await self._store.write(
                lambda tx: note(
                    tx, "denied", by=by, at=self._clock.now(), data={"verb": verb.value, "why": decision.reason}
                )
            )
            raise NotAuthorizedError(decision.reason)
        return decision.person

    def _change(self, tx: Transaction, order: _Order, *, held: bool) -> Switched:
        current = _locked(tx, order.scope)
        need = 1
        people: tuple[str, ...] = (order.person,)
        if order.mode is SafetyMode.EXECUTE:
            if current.mode is SafetyMode.EXECUTE and not held:
                return Switched(control=current, decides=effective(tx, order.scope))
            need, people = self._lift_people, self._wanted_by(tx, order)
        if len(people) < need:
            return Switched(control=current, decides=effective(tx, order.scope), have=len(people), need=need)
        control = self._turn(
            tx,
            order.mode,
            by=order.by,
            reason=order.reason,
            scope=order.scope,
            stopped_as=ReasonCode.MODE_OBSERVE,
        )
        more: dict[str, Json] = {"people": list(people)} if need > 1 else {}
        in_flight: tuple[ActionProposal, ...] = ()
        if order.mode is SafetyMode.OBSERVE:
            in_flight = tuple(all_in_flight(tx, order.scope))
            more["in_flight"] = [proposal.id for proposal in in_flight]
        return Switched(
            control=control,
            decides=effective(tx, order.scope),
            seq=announce(tx, "mode_change", control, order.by, **more),
            in_flight=in_flight,
            have=len(people),
            need=need,
        )

    def _wanted_by(self, tx: Transaction, order: _Order) -> tuple[str, ...]:
        wish = Lift(
            scope=order.scope,
            epoch=combined_epoch(tx, order.scope),
            person=order.person,
            actor=str(order.by.actor),
            at=self._clock.now(),
            reason=order.reason,
        )
        return people_for(tx, wish, by=order.by, need=self._lift_people)

    def _kill(self, tx: Transaction, *, by: Caller, reason: str, scope: str) -> Stopped:
        control = self._turn(
            tx, SafetyMode.OBSERVE, by=by, reason=reason, scope=scope, stopped_as=ReasonCode.KILL_SWITCH
        )
        in_flight = tuple(all_in_flight(tx, scope))
        seq = announce(tx, "kill_switch", control, by, in_flight=[proposal.id for proposal in in_flight])
        return Stopped(recorded=True, scope=scope, seq=seq, cancelled=0, in_flight=in_flight)

    def _explain(self, tx: Transaction, stop: AuditEvent, *, by: Caller, reason: str) -> None:
        at, scope = self._clock.now(), str(stop.data["scope"])
        data: dict[str, Json] = {"of": stop.seq, "scope": scope, "reason": reason}
        control = _locked(tx, scope)
        if control.epoch == stop.data["epoch"]:  # nobody has changed the mode since
            explained = replace(control, reason=reason)
            tx.set_control(explained)
            data |= {**_told(explained), "changed_by": explained.changed_by}
        seq = note(tx, EXPLAINED, by=by, at=at, data=data)
        tx.enqueue(OutboxKind.ANNOUNCEMENT, str(stop.seq), at=at, payload={EXPLAINED: seq})

    def _turn(
        self, tx: Transaction, mode: SafetyMode, *, by: Caller, reason: str, scope: str, stopped_as: ReasonCode
    ) -> Control:
        before = _locked(tx, scope)
        control = Control(
            scope=scope,
            mode=mode,
            epoch=before.epoch + 1,
            changed_by=str(by.actor),
            changed_at=self._clock.now(),
            reason=reason,
            stopped_as=stopped_as if mode is SafetyMode.OBSERVE else before.stopped_as,
        )
        tx.set_control(control)
        return control

    def _stand_down_batch(self, tx: Transaction) -> int:
        tx.lock_control(EVERYTHING)
        batch = tx.pending_of_earlier_epochs(BATCH)
        for proposal in batch:
            overall, own = lock(tx, proposal.subject)
            stand_down(tx, proposal, overall, own, at=self._clock.now())
        return len(batch)


def announce(tx: Transaction, event: str, control: Control, by: Caller, **more: Json) -> int:
    """Write down that the mode is now as *control* says, and have the channel told; return the line's `seq`."""
    at = control.changed_at
    if at is None:
        raise ValueError("only a change is announced, and a change has a time")
    seq = note(tx, event, by=by, at=at, data={**_told(control), **more})
    tx.enqueue(OutboxKind.ANNOUNCEMENT, str(seq), at=at)
    return seq


def introduce(scope: str, clock: Clock) -> Callable[[Transaction], None]:
    """Return a unit of work that creates a subject's own control row if it has none.

    A subject starts at execute: what decides until someone stops that subject alone is the row for everything.
    """

    def work(tx: Transaction) -> None:
        overall, _ = lock(tx, scope)
        # A row that cannot be read is there all the same: whoever damaged it must not thereby switch to execute.
        if overall.epoch > 0 and all(row.scope != scope for row in tx.controls()):
            now = clock.now()
            by = Caller(actor=Actor.system("start"), via=Via.SYSTEM)
            control = Control(
                scope=scope,
                mode=SafetyMode.EXECUTE,
                epoch=1,
                changed_by=str(by.actor),
                changed_at=now,
                reason="first seen in the configuration",
            )
            tx.set_control(control)
            note(tx, "mode_change", by=by, at=now, data=_told(control))

    return work


def _told(control: Control) -> dict[str, Json]:
    return {
        "scope": control.scope,
        "mode": control.mode.value,
        "epoch": control.epoch,
        "reason": control.reason,
        "row": control.row_digest(),
    }


def refuse_decided(proposal: ActionProposal, by: str | None = None) -> OperatorError:
    """Return the refusal for a proposal that nothing can be decided about any more."""
    if proposal.status.value == "expired":
        return ExpiredError(proposal.id)
    return AlreadyDecidedError(proposal.id, proposal.status, by)


def said(reason: str) -> str:
    """Return a person's reason on one line, in words that can be stored and shown, whatever it is made of."""
    return printable(" ".join(reason.split()), MAX_REASON)


def _checked_reason(reason: str, *, needed_for: str | None) -> str:
    reason = " ".join(reason.split())
    if needed_for and not reason:
        raise BadRequestError(f"{needed_for} needs a reason: say in a few words why, for those who read it later.")
    if len(reason) > MAX_REASON:
        raise BadRequestError(f"The reason is too long: {len(reason)} characters, at most {MAX_REASON} fit.")
    return said(reason)


def _locked(tx: Transaction, scope: str) -> Control:
    overall = tx.lock_control(EVERYTHING)
    return overall if scope == EVERYTHING else tx.lock_control(scope)


def _without_reason(event: AuditEvent | None, seq: int) -> AuditEvent:
    if event is None or event.event not in _STOPS or event.data.get("mode") != SafetyMode.OBSERVE.value:
        raise NotFoundError(f"Line {seq} of the audit log records no stop. `operator audit list` shows what there is.")
    if event.data["reason"]:
        raise ConflictError(f"A reason was given with that stop: {event.data['reason']}. Nothing was changed.")
    return event


def all_in_flight(reader: Reader, scope: str) -> list[ActionProposal]:
    """Return everything whose effect may still begin or be under way, the newest first."""
    found: list[ActionProposal] = []
    before_id: int | None = None
    subject = None if scope == EVERYTHING else scope
    while page := reader.proposals(statuses=(EXECUTING, UNKNOWN), subject=subject, before_id=before_id, limit=BATCH):
        found += page
        before_id = page[-1].id
    return found
