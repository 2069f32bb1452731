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
from actions.models import EVERYTHING, Caller, SafetyMode
from bot.cli.main import app as operator
from bot.dispatch import dispatch
from bot.housekeeping import prune
from bot.ids import PARAMETER, Button, Entry, Event, Field, Modal, Shortcut, Subcommand
from bot.ingest import check_body, submission
from bot.message_check import MessageCheck
from bot.payloads import ButtonPress, ButtonValue, ProposalRef, ScopeRef, SnoozeValue, StopRef
from bot.serve import Service
from tests.bot.authorization.kinds import ADMIN_TOKEN, INGEST_TOKEN, TEAM, USERS, Kind, team_of
from tests.bot.authorization.world import World

_RECORDED: Final = Path(__file__).parents[2] / "data" / "slack"
_PRESS, _DETAILS, _HOME, _COMMAND, _FORM, _CLOSED, _OPENED, _MENU = (
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
    "mode observe of rack": "mode --subject rack observe",
    "mode execute": "mode execute because",
    "mode execute of rack": "mode --subject rack execute because",
    "kill-switch": "kill-switch",
    "kill-switch of rack": "kill-switch --subject rack because",
    "list": "list",
    "show": "show {number}",
    "approve": "approve {number}",
    "approve TARGET": "approve {number} a",
    "approve ANOTHER": "approve {number} b",
    "cancel": "cancel {number}",
    "reviews": "reviews",
    "digest": "digest",
    "help": "help",
}
"""What is typed after `/operator`, by the name of its row."""
_ENTERED: Final[Mapping[Field, Mapping[str, Any]]] = {
    Field.REASON: {"value": "because"},
    Field.REASON_CODE: {"selected_option": {"value": "too_risky"}},
    Field.TARGET: {"value": "a"},
    Field.HAPPENED: {"selected_option": {"value": "yes"}},
    Field.EVIDENCE: {"value": "ls"},
    Field.COMMENT: {"value": "it was right"},
}
"""What is entered into the fields of any form."""
_MARK: Final[Mapping[Modal, str]] = {Modal.EDIT: "other"}
"""What is entered as the action's second parameter, where it is not empty."""
_NOT_ON_A_CARD: Final = frozenset({Button.DETAILS, Button.PREVIEW, Button.EDIT, Button.UNDO, Button.RETRY}) | {
    Button.RESOLVE,
    Button.REVIEW,
}
"""The buttons that carry no secret of a card."""
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
    await world.service._modals.drain()


def payload(world: World, entry: str, kind: Kind) -> dict[str, Any]:
    """Return what Slack would send."""
    way, _, rest = entry.partition(" ")
    name, _, scope = rest.partition(" of ")
    match way:
        case "command":
            return {**_COMMAND, "user_id": USERS[kind], "text": TYPED[rest].format(number=world.number)}
        case "event":
            return {**_OPENED, "event": {**_OPENED["event"], "user": USERS[kind]}}
        case "shortcut":
            return _by(kind, _MENU | {"callback_id": name})
        case "button":
            return _by(kind, _pressed(world, Button(name)))
        case _:
            return _by(kind, _modal(world, _FORM if way == "form" else _CLOSED, Modal(name), scope or EVERYTHING))


def _pressed(world: World, button: Button) -> Mapping[str, Any]:
    if button is Button.KILL:
        return dict(_HOME)
    template, value = _PRESS, _on_card(world)
    if button in {Button.SNOOZE, Button.SNOOZE_LONGER}:
        value = SnoozeValue(p=world.number, m=15).compact()
    elif button in _NOT_ON_A_CARD:
        template, value = _DETAILS, ProposalRef(p=world.number).compact()
    return {**template, "actions": [template["actions"][0] | {"action_id": button.value, "value": value}]}


def _on_card(world: World) -> str:
    proposal = world.proposal
    token = world.parts.buttons.token_for(proposal.token)
    return ButtonValue(p=proposal.id, t=token, h=proposal.params_hash).compact()


def _modal(world: World, template: Mapping[str, Any], modal: Modal, scope: str) -> Mapping[str, Any]:
    view = template["view"] | {
        "callback_id": modal.value,
        "private_metadata": _kept(world, modal, scope),
        "state": {"values": _filled_in(modal)},
    }
    return {**template, "view": view}


def _kept(world: World, modal: Modal, scope: str) -> str:
    match modal:
        case Modal.CONFIRM | Modal.BREAK_GLASS:
            pressed = ButtonPress.parse({**_PRESS, "actions": [_PRESS["actions"][0] | {"value": _on_card(world)}]})
            return pressed.ref.compact()
        case Modal.STOP:
            return ScopeRef(s=scope).compact()
        case Modal.STOP_REASON:
            return StopRef(e=world.stop).compact()
        case _:
            return ProposalRef(p=world.number).compact()


def _filled_in(modal: Modal) -> Mapping[str, Any]:
    parameters = {"item": "a", "mark": _MARK.get(modal, "")}
    return {field.value: {field.value: value} for field, value in _ENTERED.items()} | {
        f"{PARAMETER}{name}": {Entry.TEXT.value: {"value": value}} for name, value in parameters.items()
    }


def _by(kind: Kind, template: Mapping[str, Any]) -> dict[str, Any]:
    user = {"id": USERS[kind], "name": "ann", "username": "ann", "team_id": team_of(kind)}
    return {**copy.deepcopy(dict(template)), "user": user, "team": {"id": TEAM, "domain": "acme-ops"}}


Operation = Callable[[World, Caller], Awaitable[object]]


async def _propose(world: World, by: Caller) -> object:
    body = check_body(dict(DIAGNOSIS), allowed_channels=frozenset())
    return await world.parts.intake.submit(submission(body, via=by.via, key="matrix", actor=by.actor))


OPERATIONS: Final[Mapping[str, Operation]] = {
    "approve": lambda world, by: world.parts.executor.approve_proposal(world.number, by=by),
    "cancel": lambda world, by: world.parts.executor.cancel_proposal(world.number, by=by, reason="because"),
    "abort": lambda world, by: world.parts.executor.abort_proposal(world.number, by=by),
    "edit": lambda world, by: world.parts.executor.edit_proposal(world.number, {"item": "a", "mark": "other"}, by=by),
    "retry": lambda world, by: world.parts.executor.retry_proposal(world.number, by=by),
    "undo": lambda world, by: world.parts.executor.undo_proposal(world.number, by=by),
    "break glass": lambda world, by: world.parts.executor.break_glass(world.number, by=by, reason="because"),
    "review": lambda world, by: world.parts.executor.close_review(world.number, by=by, comment="it was right"),
    "explain": lambda world, by: world.parts.executor.explain_cancellation(world.number, by=by, reason="because"),
    "resolve": lambda world, by: world.parts.executor.resolve_proposal(
        world.number, happened=True, by=by, reason="seen"
    ),
    "preview": lambda world, _: world.parts.executor.preview_proposal(world.number),
    "snooze": lambda world, by: world.parts.reminders.snooze(world.number, by=by, lasting=timedelta(minutes=15)),
    "kill": lambda world, by: world.parts.safety.kill_switch(by=by, reason="because"),
    "kill of rack": lambda world, by: world.parts.safety.kill_switch(by=by, reason="because", scope="rack"),
    "explain a stop": lambda world, by: world.parts.safety.explain_stop(world.stop, by=by, reason="because"),
    "observe": lambda world, by: world.parts.safety.set_mode(SafetyMode.OBSERVE, by=by),
    "observe of rack": lambda world, by: world.parts.safety.set_mode(SafetyMode.OBSERVE, by=by, scope="rack"),
    "execute": lambda world, by: world.parts.safety.set_mode(SafetyMode.EXECUTE, by=by, reason="because"),
    "execute of rack": lambda world, by: world.parts.safety.set_mode(
        SafetyMode.EXECUTE, by=by, reason="because", scope="rack"
    ),
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
        await world.parts.executor.execute_proposal(world.number)


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
    "admin": f"Bearer {ADMIN_TOKEN}",
}
"""Who comes by HTTP: the value of the Authorization header."""
METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")


BODIES: Final[Mapping[str, Mapping[str, Any]]] = {
    "/api/v1/kill-switch": {"reason": "because"},
    "/api/v1/kill-switch of rack": {"reason": "because", "subject": "rack"},
}
"""What is sent, where that is no diagnosis."""


async def by_http(client: httpx.AsyncClient, method: str, path: str, bearer: str | None) -> int:
    """Return the status of a request that says, wherever something can be said, that action 1 is to be approved."""
    address = path.partition(" ")[0].replace("{proposal_id}", "1")
    answer = await client.request(
        method,
        address,
        params=None if path == "/api/v1/actions" else {"approve": "1"},
        headers={} if bearer is None else {"Authorization": bearer},
        json=None if method in {"GET", "HEAD"} else dict(BODIES.get(path, DIAGNOSIS)),
    )
    return answer.status_code
