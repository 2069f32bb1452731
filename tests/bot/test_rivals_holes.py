"""Holes of the ways in from Slack and HTTP; tests/actions/test_rivals_holes.py lists all of them."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from actions.models import ActionStatus
from bot.dispatch import dispatch
from bot.ids import Button
from tests.bot.authorization.doors import METHODS, payload
from tests.bot.authorization.kinds import INGEST_TOKEN, Kind
from tests.bot.authorization.stages import Stage
from tests.bot.authorization.world import Mode, State, World, world
from tests.bot.running import local_workspace, running_bot

ADDRESSES = (
    "/api/v1/actions/1",
    "/api/v1/actions/1/approve",
    "/api/v1/actions/1?approve=1",
    "/api/v1/actions/approve/1",
    "/api/v1/approve/1",
    "/approve?id=1",
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
    token = waiting.parts.buttons.token_for(waiting.proposal.token)
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=waiting.web),
        base_url="http://bot",
        headers={"Authorization": f"Bearer {INGEST_TOKEN}", "X-Button-Token": token},
    ) as client:
        for method in METHODS:
            answer = await client.request(method, address)
            assert answer.status_code == 200 or 400 <= answer.status_code < 500

    assert waiting.store.tables.proposals == before.proposals
    assert waiting.store.tables.approvals == before.approvals


async def test_no_button_of_a_card_is_a_link(tmp_path: Path) -> None:
    async with local_workspace() as workspace, running_bot(workspace, tmp_path) as bot:
        _, card = await bot.offered("a", action="crush")

        pressed = [part for part in parts_of(card["blocks"]) if part.get("type") == "button"]

    assert {Button.CONFIRM, Button.CANCEL, Button.PREVIEW, Button.DETAILS} <= {part["action_id"] for part in pressed}
    assert all("url" not in part for part in pressed)


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
