"""`operator actions kill-switch` and `mode`. Needs no subjects and no Slack, so that little can be in the way."""

import os
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

import typer

from actions.errors import ConfigurationError, OperatorError, UnavailableError, UnknownSubjectError
from actions.models import EVERYTHING, ActionProposal, Control, SafetyMode
from actions.ports import KillFiles
from actions.safety import SafetyController, Stopped
from bot.cli.caller import caller
from bot.cli.output import clean, literal, note, print_json, print_table, say
from bot.local_directory import LocalDirectory
from bot.reach import build_kill_files, build_safety, reading
from bot.settings import Settings, load
from bot.settings_sources import likely_state_dir
from bot.signals import Signals
from bot.system import keep_what_is_loaded
from bot.views.times import moment

KILL_FILE_ONLY: Final = 4


async def kill_switch(*, reason: str, subject: str | None, as_json: bool) -> int:
    """Stop everything: first on this host by a file, then everywhere through the database."""
    settings, problem = _settings_or_problem()
    scope = EVERYTHING if problem else _scope(settings, subject)
    files = build_kill_files(settings)
    dropped = _dropped(files)
    stopped = await _kill(settings, reason=reason, scope=scope) if problem is None else _unrecorded(problem)
    if isinstance(stopped, OperatorError):  # refused: nothing is to stay behind
        files.remove(dropped)
        raise stopped
    if stopped.recorded:
        files.remove(dropped)
    elif not dropped:
        raise UnavailableError(_nothing_stopped(settings, stopped.problem))
    return _tell_kill(stopped, settings, as_json=as_json)


async def mode(wanted: str | None, *, reason: str, subject: str | None, as_json: bool) -> int:
    """Show the mode, or switch it."""
    settings = load()
    if wanted is None:
        return await _show_mode(settings, as_json=as_json)
    if wanted.lower() not in {one.value for one in SafetyMode}:
        raise typer.BadParameter(f"the mode is observe or execute, not {wanted!r}")
    async with _safety(settings) as safety:
        switched = await safety.set_mode(
            SafetyMode(wanted.lower()), by=caller(os.environ), reason=reason, scope=_scope(settings, subject)
        )
    if as_json:
        print_json({"control": _control_json(switched.control), "cancelled": switched.cancelled})
    else:
        _tell_mode(switched.control, switched.cancelled)
    for held in build_kill_files(settings).present():
        note(f"this host is still held back by {held}")
    return 0


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


def _dropped(files: KillFiles) -> list[str]:
    try:
        return [files.drop()]
    except OSError as error:
        note(f"no kill file could be dropped ({error.strerror}); going on to the database")
        return []


async def _kill(settings: Settings, *, reason: str, scope: str) -> Stopped | OperatorError:
    try:
        async with _safety(settings) as safety:
            keep_what_is_loaded()
            return await safety.kill_switch(by=caller(os.environ), reason=reason, scope=scope)
    except (UnavailableError, ConfigurationError, OSError) as error:
        return _unrecorded(error)
    except OperatorError as error:
        return error


def _unrecorded(problem: Exception) -> Stopped:
    return Stopped(recorded=False, cancelled=0, in_flight=(), problem=str(problem))


def _scope(settings: Settings, subject: str | None) -> str:
    if subject is None:
        return EVERYTHING
    if subject not in settings.subjects:
        raise UnknownSubjectError(subject, sorted(settings.subjects))
    return subject


def _nothing_stopped(settings: Settings, problem: str) -> str:
    return (
        f"NOTHING WAS STOPPED. No kill file could be dropped in {settings.state_dir}, and: {problem} "
        "Stop the processes of `operator run` by hand, on every host, now."
    )


def _tell_kill(stopped: Stopped, settings: Settings, *, as_json: bool) -> int:
    if as_json:
        print_json(
            {
                "recorded": stopped.recorded,
                "cancelled": stopped.cancelled,
                "in_flight": [_in_flight_json(proposal) for proposal in stopped.in_flight],
                "problem": stopped.problem,
            }
        )
    if not stopped.recorded:
        _tell_kill_file_only(stopped, settings)
        return KILL_FILE_ONLY
    if not as_json:
        _tell_stopped(stopped)
    return 0


def _tell_kill_file_only(stopped: Stopped, settings: Settings) -> None:
    note(
        f"KILL FILE ONLY (exit code 4). A kill file lies in {settings.state_dir}: on this host nothing new begins. "
        "Other hosts are not stopped. What was begun already may still take effect, and cannot be listed. "
        f"The stop could not be recorded, because: {stopped.problem}"
    )
    note("mend that and run kill-switch again; `operator actions mode execute` on this host removes the file")


def _tell_stopped(stopped: Stopped) -> None:
    say("Stopped. The mode is observe: nothing new begins, on any host.")
    say(f"Cancelled: {stopped.cancelled} waiting action(s).")
    if stopped.problem:
        note(stopped.problem)
    if not stopped.in_flight:
        say("In flight: none. Nothing can take effect any more.")
        return
    say("In flight: what was begun before the stop. Each of these may have happened, or may still happen:")
    print_table(("ID", "STATUS", "ACTION", "TARGET"), [_in_flight_row(proposal) for proposal in stopped.in_flight])


def _in_flight_row(proposal: ActionProposal) -> tuple[str, ...]:
    return (
        str(proposal.id),
        proposal.status.value,
        literal(proposal.action_name),
        literal(proposal.target_key),
    )


def _in_flight_json(proposal: ActionProposal) -> Mapping[str, Any]:
    return {
        "id": proposal.id,
        "status": proposal.status.value,
        "action_name": proposal.action_name,
        "subject": proposal.subject,
        "target": proposal.target,
    }


def _tell_mode(control: Control, cancelled: int) -> None:
    where = "" if control.scope == EVERYTHING else f" for {literal(control.scope)}"
    if control.mode is SafetyMode.EXECUTE:
        say(f"The mode is execute{where}: what people approve is run. What is still wrong is proposed anew.")
    else:
        say(f"The mode is observe{where}: nothing new begins. Cancelled: {cancelled} waiting action(s).")


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
