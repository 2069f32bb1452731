"""Holes of the ways in from Slack and HTTP; tests/actions/test_rivals_holes.py lists all of them."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
import yaml

from actions.errors import AlreadyApprovedError
from actions.models import ActionStatus
from bot.dispatch import dispatch
from bot.ids import Button, Event, Modal
from tests.bot.authorization.doors import METHODS, from_slack, payload
from tests.bot.authorization.kinds import ADMIN_TOKEN, INGEST_TOKEN, USERS, Kind
from tests.bot.authorization.stages import Stage
from tests.bot.authorization.world import CHANNEL, Mode, State, World, world
from tests.bot.running import local_workspace, running_bot
from tests.rig import ANN_CLI

MANIFEST: Final = Path(__file__).parents[2] / "manifest.yml"
SENT_AT: Final = {
    Modal.CONFIRM: Stage.RISKY,
    Modal.BREAK_GLASS: Stage.WAITING,
    Modal.EDIT: Stage.WAITING,
    Modal.RETRY: Stage.FAILED,
    Modal.CANCEL_REASON: Stage.CANCELLED,
    Modal.RESOLVE: Stage.UNKNOWN,
    Modal.REVIEW: Stage.REVIEWABLE,
    Modal.STOP: Stage.WAITING,
    Modal.STOP_REASON: Stage.WAITING,
}
"""Where an action stands when it is of use to send a form."""

ADDRESSES = (
    "/api/v1/actions/1",
    "/api/v1/actions/1/approve",
    "/api/v1/actions/1?approve=1",
    "/api/v1/actions/approve/1",
    "/api/v1/approve/1",
    "/approve?id=1",
    "/api/v1/kill-switch?reason=because",
    "/slack/events?payload=%7B%22type%22%3A%22block_actions%22%7D",
    "/slack/actions",
)


@pytest.fixture
async def waiting(tmp_path: Path) -> AsyncIterator[World]:
    """Something that waits for its approval."""
    async with world(tmp_path) as made:
        made.put(State(Stage.WAITING, Mode.EXECUTE))
        yield made


def parts_of(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        for inner in value.values():
            yield from parts_of(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from parts_of(inner)


@pytest.mark.parametrize("address", ADDRESSES)
async def test_no_address_decides_however_it_is_asked(waiting: World, address: str) -> None:
    before = waiting.store.tables
    button = waiting.parts.buttons.token_for(waiting.proposal.token)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=waiting.web), base_url="http://bot") as client:
        for token in (INGEST_TOKEN, ADMIN_TOKEN):
            for method in METHODS:
                headers = {"Authorization": f"Bearer {token}", "X-Button-Token": button}
                answer = await client.request(method, address, headers=headers)
                assert answer.status_code == 200 or 400 <= answer.status_code < 500

    after = waiting.store.tables
    assert (after.proposals, after.approvals, after.controls) == (before.proposals, before.approvals, before.controls)


async def test_no_button_of_a_card_is_a_link(tmp_path: Path) -> None:
    async with local_workspace() as workspace, running_bot(workspace, tmp_path) as bot:
        _, plain = await bot.offered("a")
        _, risky = await bot.offered("b", action="crush")

        pressed = [part for card in (plain, risky) for part in parts_of(card["blocks"]) if part.get("type") == "button"]

    assert {Button.APPROVE, Button.CONFIRM, Button.CANCEL, Button.DETAILS} <= {part["action_id"] for part in pressed}
    assert {part["action_id"] for part in pressed} <= {*Button}
    assert all("url" not in part for part in pressed)


async def test_a_link_that_slack_looks_at_decides_nothing(waiting: World) -> None:
    address = f"https://bot.example/api/v1/actions/1?approve=1&token={waiting.parts.buttons.token_for('x')}"
    shared = {"type": "link_shared", "links": [{"url": address, "domain": "bot.example"}]}
    before = waiting.store.tables

    for event in (shared, {"type": "message", "text": address}, {"type": "reaction_added", "reaction": "+1"}):
        sent = payload(waiting, "event app_home_opened", Kind.LISTED)
        await dispatch(waiting.app, sent | {"event": {"user": USERS[Kind.LISTED], "channel": CHANNEL} | event})

    assert waiting.store.tables == before
    manifest = yaml.safe_load(MANIFEST.read_text())
    assert manifest["settings"]["event_subscriptions"]["bot_events"] == [Event.HOME_OPENED]
    assert "unfurl_domains" not in manifest["features"]


@pytest.mark.parametrize("modal", SENT_AT)
async def test_closing_a_form_decides_nothing_and_sending_it_does(waiting: World, modal: Modal) -> None:
    waiting.put(State(SENT_AT[modal], Mode.EXECUTE))
    before = waiting.store.tables

    await from_slack(waiting, f"closed {modal.value}", Kind.LISTED)
    assert waiting.store.tables == before
    await from_slack(waiting, f"form {modal.value}", Kind.LISTED)

    assert waiting.seen_since(before).by_user(USERS[Kind.LISTED]) != ()


def test_every_form_that_is_sent_is_closed_too() -> None:
    assert {*SENT_AT} == {*Modal} - {Modal.DETAILS}


@pytest.mark.parametrize("button", Button)
async def test_no_button_of_a_card_whose_place_was_taken_decides_anything(waiting: World, button: Button) -> None:
    waiting.put(State(Stage.SUPERSEDED, Mode.EXECUTE))
    before = waiting.store.tables

    await from_slack(waiting, f"button {button.value}", Kind.LISTED)

    after = waiting.store.tables
    assert (after.proposals, after.approvals, after.reviews) == (before.proposals, before.approvals, before.reviews)
    assert waiting.seen_since(before).decided == []


async def test_one_person_in_slack_and_on_the_command_line_is_one_person(tmp_path: Path) -> None:
    two = {"low": {"required": 2}}
    async with local_workspace() as workspace, running_bot(workspace, tmp_path, approval=two) as bot:
        first, card = await bot.offered("a")
        await bot.press(card, Button.APPROVE, by="ann")
        second, other = await bot.offered("b")
        await bot.parts.executor.approve_proposal(second, by=ANN_CLI)

        with pytest.raises(AlreadyApprovedError):
            await bot.parts.executor.approve_proposal(first, by=ANN_CLI)
        await bot.press(other, Button.APPROVE, by="ann")

        assert "more" in await bot.told("ann", saying="approved")
        assert [(await bot.proposal(one)).status for one in (first, second)] == [ActionStatus.VALIDATED] * 2
        assert bot.target.ledger.total() == 0


@pytest.mark.parametrize("way", ["button proposal.approve", "command approve"])
async def test_the_name_of_an_approver_gives_no_right(waiting: World, way: str) -> None:
    sent = payload(waiting, way, Kind.UNLISTED)
    borrowed = {"name": "ulisted", "username": "ulisted", "real_name": "ulisted", "display_name": "ulisted"}
    if "user" in sent:
        sent["user"] |= borrowed
    sent |= {"user_name": "ulisted"}

    await dispatch(waiting.app, sent)

    assert waiting.proposal.status is ActionStatus.VALIDATED
    assert [event.event for event in waiting.store.tables.audit.values()][-1] == "denied"


async def test_a_deactivated_person_with_an_open_card_is_refused_within_a_minute(tmp_path: Path) -> None:
    async with local_workspace() as workspace, running_bot(workspace, tmp_path) as bot:
        first, card = await bot.offered("a")
        await bot.press(card, Button.APPROVE, by="ann")
        await bot.becomes(first, ActionStatus.COMPLETED)
        second, card = await bot.offered("b")
        workspace.state.change_user("ann", deleted=True)
        bot.clock.advance(61)

        await bot.press(card, Button.APPROVE, by="ann")

        assert "your Slack account is deactivated" in await bot.told("ann")
        assert (await bot.proposal(second)).status is ActionStatus.VALIDATED
        assert bot.target.ledger["b"] == 0


async def test_a_form_that_was_open_when_its_person_was_deactivated_decides_nothing(tmp_path: Path) -> None:
    async with local_workspace() as workspace, running_bot(workspace, tmp_path) as bot:
        proposal_id, card = await bot.offered("a", action="crush")
        await bot.press(card, Button.CONFIRM, by="ann")
        form = await bot.modal("ann", saying="Type the target's name")
        workspace.state.change_user("ann", deleted=True)
        bot.clock.advance(61)

        refused = await bot.fill_in(form, by="ann", target="a")

        assert "your Slack account is deactivated" in str(refused.errors)
        assert await bot.read(lambda reader: reader.approvals(proposal_id)) == []
