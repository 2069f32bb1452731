"""`operator actions kill-switch` and `mode`. Needs no subjects and no Slack, so that little can be in the way."""

import os
import sys
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import typer

from actions.errors import ConfigurationError, NothingStoppedError, OperatorError, UnavailableError
from actions.models import EVERYTHING, ActionProposal, Control, SafetyMode
from actions.ports import KillFiles
from actions.safety import NOTHING_STOPPED, SafetyController, Stopped, Switched, require_known, said
from bot.cli.caller import caller
from bot.cli.output import clean, literal, note, print_json, print_table, say
from bot.cli.running import done
from bot.local_directory import LocalDirectory
from bot.reach import build_kill_files, build_safety, reading
from bot.settings import Settings, load
from bot.settings_sources import likely_state_dir
from bot.signals import Signals
from bot.stop_json import in_flight_json, stopped_json
from bot.system import keep_what_is_loaded
from bot.views.times import moment

KILL_FILE_ONLY: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How the kill switch ended."""

    code: int
    """The exit code."""
    unexplained: int | None = None
    """The line of the audit log that records the stop, if no reason was given."""


async def kill_switch(*, reason: str, subject: str | None, as_json: bool) -> Outcome:
    """Stop everything, or one subject: first on this host by a file, then everywhere through the database."""
    settings, problem = _settings_or_problem()
    scope = EVERYTHING if problem else _scope(subject)
    if problem is None:
        require_known(scope, settings.subjects, so=NOTHING_STOPPED)
    files = build_kill_files(settings)
    dropped = _dropped(files, scope)
    stopped = await _kill(settings, reason=reason, scope=scope) if problem is None else _unrecorded(problem, scope)
    if isinstance(stopped, OperatorError):  # refused: nothing is to stay behind
        files.remove(dropped)
        raise stopped
    if stopped.recorded:
        files.remove(dropped)
    elif not dropped:
        raise NothingStoppedError(f"{stopped.problem} (The kill file belongs in {settings.state_dir}.)")
    code = _tell_kill(stopped, settings, as_json=as_json)
    return Outcome(code=code, unexplained=None if said(reason) else stopped.seq)


def wants_a_reason(outcome: Outcome) -> bool:
    """Return whether somebody is there who can be asked why."""
    return outcome.unexplained is not None and sys.stdin.isatty()


def explain(outcome: Outcome) -> None:
    """Ask why, and write it down. What was stopped stays stopped, whatever comes of this."""
    try:
        reason = typer.prompt(
            "Why? Those in the channel read it; Enter for no reason", default="", show_default=False, err=True
        )
    except typer.Abort:
        reason = ""
    if not said(reason) or outcome.unexplained is None:
        return
    try:
        done(_explain(outcome.unexplained, reason))
    except (OperatorError, OSError) as error:
        note(f"it is stopped, but the reason was not written down: {error}")


async def mode(wanted: str | None, *, reason: str, subject: str | None, as_json: bool) -> int:
    """Show the mode, or switch it."""
    settings = load()
    if wanted is None:
        return await _show_mode(settings, as_json=as_json)
    if wanted.lower() not in {one.value for one in SafetyMode}:
        raise typer.BadParameter(f"the mode is observe or execute, not {wanted!r}")
    async with _safety(settings) as safety:
        switched = await safety.set_mode(
            SafetyMode(wanted.lower()), by=caller(os.environ), reason=reason, scope=_scope(subject)
        )
    if as_json:
        print_json(_switched_json(switched))
    else:
        _tell_mode(switched)
    for held in build_kill_files(settings).present():
        note(f"this host is still held back by {held}")
    return 0


async def _explain(seq: int, reason: str) -> None:
    async with _safety(load()) as safety:
        await safety.explain_stop(seq, by=caller(os.environ), reason=reason)


@asynccontextmanager
async def _safety(settings: Settings) -> AsyncIterator[SafetyController]:
    async with reading(settings) as store:
        yield build_safety(settings, store, directory=LocalDirectory(), publisher=Signals())


def _settings_or_problem() -> tuple[Settings, OperatorError | None]:
    try:
        return load(), None
    except ConfigurationError as error:
        state_dir = likely_state_dir(os.environ)
        if state_dir is None:
            raise
        return Settings(state_dir=state_dir), error


def _dropped(files: KillFiles, scope: str) -> list[str]:
    try:
        return [files.drop(scope)]
    except OSError as error:
        note(f"no kill file could be dropped ({error.strerror}); going on to the database")
        return []


async def _kill(settings: Settings, *, reason: str, scope: str) -> Stopped | OperatorError:
    try:
        async with _safety(settings) as safety:
            keep_what_is_loaded()
            return await safety.kill_switch(by=caller(os.environ), reason=reason, scope=scope)
    except NothingStoppedError as error:
        return _unrecorded(error.problem, scope)
    except (UnavailableError, ConfigurationError, OSError) as error:
        return _unrecorded(error, scope)
    except OperatorError as error:
        return error


def _unrecorded(problem: Exception | str, scope: str) -> Stopped:
    return Stopped(recorded=False, scope=scope, cancelled=0, in_flight=(), problem=str(problem))


def _scope(subject: str | None) -> str:
    return EVERYTHING if subject is None else subject


def _tell_kill(stopped: Stopped, settings: Settings, *, as_json: bool) -> int:
    if as_json:
        print_json(stopped_json(stopped))
    if not stopped.recorded:
        _tell_kill_file_only(stopped, settings)
        return KILL_FILE_ONLY
    if not as_json:
        _tell_stopped(stopped)
    return 0


def _tell_kill_file_only(stopped: Stopped, settings: Settings) -> None:
    what = "nothing new begins" if stopped.scope == EVERYTHING else f"nothing new of {stopped.scope} begins"
    note(
        f"KILL FILE ONLY (exit code 4). A kill file lies in {settings.state_dir}: on this host {what}. "
        "Other hosts are not stopped. What was begun already may still take effect, and cannot be listed. "
        f"The stop could not be recorded, because: {stopped.problem}"
    )
    note(f"mend that and run kill-switch again; `{_execute(stopped.scope)}` on this host removes the file")


def _tell_stopped(stopped: Stopped) -> None:
    if stopped.scope == EVERYTHING:
        say("Stopped. The mode is observe: nothing new begins, on any host.")
    else:
        say(f"Stopped {literal(stopped.scope)}. Its mode is observe: nothing new of it begins, on any host.")
        say("Other subjects go on; to stop everything: operator actions kill-switch")
    say(f"Cancelled: {stopped.cancelled} waiting action(s).")
    if stopped.problem:
        note(stopped.problem)
    _tell_in_flight(stopped.in_flight, stopped.scope)


def _tell_in_flight(in_flight: Sequence[ActionProposal], scope: str) -> None:
    if not in_flight:
        say(f"In flight: none. Nothing{_of(scope)} can take effect any more.")
        return
    say("In flight: what was begun before the stop. Each of these may have happened, or may still happen:")
    print_table(("ID", "STATUS", "ACTION", "TARGET"), [_in_flight_row(proposal) for proposal in in_flight])


def _in_flight_row(proposal: ActionProposal) -> tuple[str, ...]:
    return (
        str(proposal.id),
        proposal.status.value,
        literal(proposal.action_name),
        literal(proposal.target_key),
    )


def _tell_mode(switched: Switched) -> None:
    control, where = switched.control, _of(switched.control.scope, "for")
    if switched.waits:
        missing = switched.need - switched.have
        say(f"Recorded: {switched.have} of {switched.need} people want mode execute{where}. Nothing was switched yet.")
        say(f"{missing} more {'person has' if missing == 1 else 'people have'} to ask for it within 10 minutes:")
        say(f"{_execute(control.scope)} REASON, or the same after /operator in Slack.")
    elif control.mode is SafetyMode.OBSERVE:
        say(f"The mode is observe{where}: nothing new begins. Cancelled: {switched.cancelled} waiting action(s).")
        _tell_in_flight(switched.in_flight, control.scope)
    elif switched.decides.mode is SafetyMode.OBSERVE:
        why = clean(switched.decides.reason) or "no reason was given"
        say(f"The mode is execute{where}, but everything is still stopped ({why}).")
        say(f"To go on: {_execute(EVERYTHING)} REASON")
    else:
        say(f"The mode is execute{where}: what people approve is run. What is still wrong is proposed anew.")


def _switched_json(switched: Switched) -> Mapping[str, Any]:
    return {
        "control": _control_json(switched.control),
        "cancelled": switched.cancelled,
        "in_flight": in_flight_json(switched.in_flight),
        "lift": {"have": switched.have, "need": switched.need},
    }


def _of(scope: str, word: str = "of") -> str:
    return "" if scope == EVERYTHING else f" {word} {literal(scope)}"


def _execute(scope: str) -> str:
    return f"operator actions mode execute{_of(scope, '--subject')}"


async def _show_mode(settings: Settings, *, as_json: bool) -> int:
    async with reading(settings) as store:
        controls = await store.read(lambda reader: reader.controls() or [reader.control(EVERYTHING)])
    held = list(build_kill_files(settings).present())
    if as_json:
        print_json({"controls": [_control_json(control) for control in controls], "held_back_by": held})
        return 0
    _print_controls(controls)
    for one in held:
        say(f"This host is held back by {one}; until that is gone nothing begins here.")
    return 0


def _print_controls(controls: Iterable[Control]) -> None:
    rows = [
        (
            "everything" if control.scope == EVERYTHING else literal(control.scope),
            control.mode.value,
            moment(control.changed_at) if control.changed_at else "the beginning",
            literal(control.changed_by),
            clean(control.reason),
        )
        for control in controls
    ]
    print_table(("SCOPE", "MODE", "SINCE", "BY", "REASON"), rows)


def _control_json(control: Control) -> Mapping[str, Any]:
    return {
        "scope": control.scope,
        "mode": control.mode.value,
        "epoch": control.epoch,
        "changed_by": control.changed_by,
        "changed_at": control.changed_at.isoformat() if control.changed_at else None,
        "reason": control.reason,
    }
