"""Every way in, as it is used: payloads of Slack through its listeners, operations of the core, jobs, and HTTP."""

import copy
import json
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import httpx
import typer
from typer.core import TyperGroup

from actions.errors import OperatorError
from actions.models import Caller, SafetyMode
from bot.cli.main import app as operator
from bot.dispatch import dispatch
from bot.housekeeping import prune
from bot.ids import PARAMETER, Button, Entry, Event, Field, Modal, Shortcut, Subcommand
from bot.ingest import check_body, submission
from bot.message_check import MessageCheck
from bot.payloads import ButtonValue, ConfirmRef, ProposalRef, ScopeRef, SnoozeValue, StopRef
from bot.serve import Service
from tests.bot.authorization.kinds import INGEST_TOKEN, TEAM, USERS, Kind, team_of
from tests.bot.authorization.world import World

_RECORDED: Final = Path(__file__).parents[2] / "data" / "slack"
_PRESS, _DETAILS, _HOME, _COMMAND, _FORM, _CLOSED, _OPENED, _SHORTCUT = (
    json.loads((_RECORDED / f"{name}.json").read_text())
    for name in (
        "block_actions_approve",
        "block_actions_details_ephemeral",
        "block_actions_kill_switch_in_home",
        "slash_command",
        "view_submission",
        "view_closed",
        "app_home_opened",
        "message_action_in_thread",
    )
)
TYPED: Final[Mapping[str, str]] = {
    "status": "status",
    "mode": "mode",
    "mode observe": "mode observe",
    "mode execute": "mode execute because",
    "kill-switch": "kill-switch",
    "list": "list",
    "show": "show 1",
    "approve": "approve 1",
    "cancel": "cancel 1",
    "reviews": "reviews",
    "digest": "digest",
    "help": "help",
}
"""What is typed after `/operator`, by the name of its row."""
_TYPED_INTO: Final[Mapping[Modal, Mapping[Field, Any]]] = {
    Modal.CANCEL_REASON: {Field.REASON: {"value": "because"}},
    Modal.CONFIRM: {Field.TARGET: {"value": "a"}},
    Modal.BREAK_GLASS: {Field.TARGET: {"value": "a"}, Field.REASON: {"value": "because"}},
    Modal.RESOLVE: {
        Field.HAPPENED: {"selected_option": {"value": "yes"}},
        Field.EVIDENCE: {"value": "ls"},
        Field.REASON: {"value": "because"},
    },
    Modal.REVIEW: {Field.COMMENT: {"value": "right"}},
    Modal.STOP: {Field.REASON: {"value": "because"}},
    Modal.STOP_REASON: {Field.REASON: {"value": "because"}},
}
"""What is entered into each form that asks for no parameters."""
_PARAMETERS: Final[Mapping[Modal, Mapping[str, str]]] = {
    Modal.EDIT: {"item": "a", "mark": "other"},
    Modal.RETRY: {"item": "a", "mark": ""},
}
_DECIDING: Final = frozenset({Button.APPROVE, Button.CONFIRM, Button.BREAK_GLASS, Button.ABORT, Button.CANCEL})
"""The buttons that carry the secret of their card."""
DIAGNOSIS: Final[Mapping[str, Any]] = {
    "subject": "rack",
    "target": "rack",
    "source": "grafana",
    "timeline": "now",
    "affected_components": ["item b"],
    "metric_readings": {},
    "primary_diagnosis": "item b is cold",
    "confidence": "high",
    "supporting_evidence": [],
    "alternatives_considered": [],
    "recommended_action": "touch it",
    "action_commands": [],
    "severity": "Warning",
    "risks": [],
    "recommended_actions": [
        {
            "action_name": "rack.touch",
            "parameters": {"item": "b"},
            "reason": "because",
            "expected_outcome": "touched",
        }
    ],
}


def slack_entries() -> Iterator[str]:
    """Yield every way in from Slack that the code has an id for."""
    yield from (f"button {one.value}" for one in Button)
    yield from (f"command {one.value}" for one in Subcommand)
    yield from (f"form {one.value}" for one in Modal)
    yield from (f"closed {one.value}" for one in Modal)
    yield from (f"event {one.value}" for one in Event)
    yield from (f"shortcut {one.value}" for one in Shortcut)


async def from_slack(world: World, entry: str, kind: Kind) -> None:
    """Have somebody do it in Slack."""
    await dispatch(world.app, payload(world, entry, kind))


def payload(world: World, entry: str, kind: Kind) -> dict[str, Any]:
    """Return what Slack would send."""
    way, _, name = entry.partition(" ")
    match way:
        case "command":
            return {**_COMMAND, "user_id": USERS[kind], "text": TYPED[name]}
        case "event":
            return {**_OPENED, "event": {**_OPENED["event"], "user": USERS[kind]}}
        case "shortcut":
            return _by(kind, _SHORTCUT | {"callback_id": name})
        case "button":
            return _by(kind, _pressed(world, Button(name)))
        case _:
            return _by(kind, _modal(world, Modal(name), _FORM if way == "form" else _CLOSED))


def _modal(world: World, modal: Modal, template: Mapping[str, Any]) -> Mapping[str, Any]:
    about = _button_value(world)
    place = _PRESS["container"]
    metadata: Mapping[Modal, str] = {
        **dict.fromkeys(
            (Modal.CONFIRM, Modal.BREAK_GLASS),
            ConfirmRef(p=about.p, t=about.t, h=about.h, c=place["channel_id"], m=place["message_ts"]).compact(),
        ),
        Modal.STOP: ScopeRef(s="*").compact(),
        Modal.STOP_REASON: StopRef(e=1).compact(),
    }
    entered = {field.value: {field.value: value} for field, value in _TYPED_INTO.get(modal, {}).items()} | {
        f"{PARAMETER}{name}": {Entry.TEXT.value: {"value": value}} for name, value in _PARAMETERS.get(modal, {}).items()
    }
    view = template["view"] | {
        "callback_id": modal.value,
        "private_metadata": metadata.get(modal, ProposalRef(p=1).compact()),
        "state": {"values": entered},
    }
    return {**template, "view": view}


def _pressed(world: World, button: Button) -> dict[str, Any]:
    if button is Button.KILL:
        return dict(_HOME)
    template = _PRESS if button in _DECIDING | {Button.SNOOZE, Button.SNOOZE_LONGER} else _DETAILS
    action = {"action_id": button.value, "value": _carried(world, button)}
    return {**template, "actions": [template["actions"][0] | action]}


def _carried(world: World, button: Button) -> str:
    if button in {Button.SNOOZE, Button.SNOOZE_LONGER}:
        return SnoozeValue(p=1, m=15).compact()
    return (_button_value(world) if button in _DECIDING else ProposalRef(p=1)).compact()


def _button_value(world: World) -> ButtonValue:
    proposal = world.proposal
    return ButtonValue(p=1, t=world.parts.buttons.token_for(proposal.token), h=proposal.params_hash)


def _by(kind: Kind, template: Mapping[str, Any]) -> dict[str, Any]:
    user = {"id": USERS[kind], "name": "ann", "username": "ann", "team_id": team_of(kind)}
    return {**copy.deepcopy(dict(template)), "user": user, "team": {"id": TEAM, "domain": "acme-ops"}}


Operation = Callable[[World, Caller], Awaitable[object]]


async def _propose(world: World, by: Caller) -> object:
    body = check_body(dict(DIAGNOSIS), allowed_channels=frozenset())
    return await world.parts.intake.submit(submission(body, via=by.via, key="matrix", actor=by.actor))


OPERATIONS: Final[Mapping[str, Operation]] = {
    "approve": lambda world, by: world.parts.executor.approve_proposal(1, by=by),
    "cancel": lambda world, by: world.parts.executor.cancel_proposal(1, by=by, reason="because"),
    "explain": lambda world, by: world.parts.executor.explain_cancellation(1, by=by, reason="because"),
    "resolve": lambda world, by: world.parts.executor.resolve_proposal(1, happened=True, by=by, reason="seen"),
    "edit": lambda world, by: world.parts.executor.edit_proposal(1, {"item": "b"}, by=by),
    "retry": lambda world, by: world.parts.executor.retry_proposal(1, by=by),
    "undo": lambda world, by: world.parts.executor.undo_proposal(1, by=by),
    "break glass": lambda world, by: world.parts.executor.break_glass(1, by=by, reason="because"),
    "review": lambda world, by: world.parts.executor.close_review(1, by=by, comment="seen"),
    "abort": lambda world, by: world.parts.executor.abort_proposal(1, by=by),
    "snooze": lambda world, by: world.parts.reminders.snooze(1, by=by, lasting=timedelta(minutes=15)),
    "kill": lambda world, by: world.parts.safety.kill_switch(by=by, reason="because"),
    "observe": lambda world, by: world.parts.safety.set_mode(SafetyMode.OBSERVE, by=by),
    "execute": lambda world, by: world.parts.safety.set_mode(SafetyMode.EXECUTE, by=by, reason="because"),
    "propose": _propose,
}
"""What the core can be asked for."""


async def at_the_core(world: World, operation: str, by: Caller) -> None:
    """Have somebody ask the core itself."""
    with suppress(OperatorError):
        await OPERATIONS[operation](world, by)


def cli_entries() -> Iterator[str]:
    """Yield every command of the command line."""
    root = typer.main.get_command(operator)
    yield from _commands(root, typer.Context(root), ())


def _commands(command: Any, context: Any, path: tuple[str, ...]) -> Iterator[str]:
    if not isinstance(command, TyperGroup):
        yield " ".join(path)
        return
    for name in command.list_commands(context):
        inner: Any = command.get_command(context, name)
        yield from _commands(inner, typer.Context(inner, parent=context, info_name=name), (*path, name))


Job = Callable[[World], Awaitable[object]]


async def _execute(world: World) -> None:
    with suppress(OperatorError):
        await world.parts.executor.execute_proposal(1)


def _check_of(service: Service) -> MessageCheck:
    parts = service._parts
    return MessageCheck(client=service._client, store=parts.store, clock=parts.clock, publisher=parts.publisher)


JOBS: Final[Mapping[str, Job]] = {
    # The dispatcher asks for what is approved; here it asks whatever the status.
    "dispatcher": _execute,
    "agent": lambda world: world.service._agent().poll(world.parts.subjects["rack"]),
    "delivery": lambda world: world.service._delivery.deliver_due(),
    "holding the lease": lambda world: world.service._lease.hold(),
    "sweeping": lambda world: world.parts.sweeper.sweep(),
    "looking at targets": lambda world: world.service._watch.look(),
    "counting down": lambda world: world.service._watch.count_down(),
    "reminding": lambda world: world.parts.reminders.remind(),
    "reconciling": lambda world: world.parts.reconciler.reconcile(),
    "comparing cards": lambda world: _check_of(world.service).compare(),
    "asking who the approvers are": lambda world: world.service._acquaintance.renew(),
    "pruning": lambda world: prune(world.parts.store, world.parts.clock),
    "checkpoint": lambda world: world.service._digests.take_hourly_checkpoint(),
    "digest hourly": lambda world: world.service._digests.post_due(world.parts.settings.digests[0]),
    "missed digest hourly": lambda world: world.service._digests.post_due(world.parts.settings.digests[0]),
}
"""One round of each job, by its name."""


async def job_names(service: Service) -> set[str]:
    """Return what a running service does by itself."""
    async with service._working(), service._timetable():
        scheduled = {str(job.name) for job in service._digests._scheduler.get_jobs()}
        return scheduled | {task.get_name() for task in service._workers}


BEARERS: Final[Mapping[str, str | None]] = {
    "nobody": None,
    "another token": "Bearer another-token-of-somebody",
    "ingest": f"Bearer {INGEST_TOKEN}",
}
"""Who comes by HTTP: the value of the Authorization header."""
METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")


async def by_http(client: httpx.AsyncClient, method: str, path: str, bearer: str | None) -> int:
    """Return the status of a request that says, wherever something can be said, that action 1 is to be approved."""
    answer = await client.request(
        method,
        path.replace("{proposal_id}", "1"),
        params=None if path == "/api/v1/actions" else {"approve": "1"},
        headers={} if bearer is None else {"Authorization": bearer},
        json=None if method in {"GET", "HEAD"} else dict(DIAGNOSIS),
    )
    return answer.status_code
