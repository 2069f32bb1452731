"""Slack over HTTP: signed, through the gate, to the same listeners."""

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlencode

import aiohttp
import pytest
from pydantic import SecretStr

from actions.errors import BadRequestError
from actions.models import ActionStatus, SafetyMode
from bot.dispatch import read_body
from bot.ids import Button
from bot.workspace.delivery import Kind
from bot.workspace.http_mode import encode, signed_headers
from tests.bot.running import (
    Bot,
    built_bot,
    click_payload,
    local_workspace,
    locked,
    pressable,
    running,
    settings_for,
)
from tests.invariants import check

APPROVE = Button.APPROVE
FORM = "application/x-www-form-urlencoded"


@asynccontextmanager
async def http_bot(folder: Path, *, busy_timeout: float = 2.0, secret: str = "") -> AsyncIterator[Bot]:
    async with local_workspace() as workspace:
        settings = settings_for(
            workspace,
            folder,
            SLACK_APP_TOKEN=None,
            SLACK_SIGNING_SECRET=SecretStr(secret or workspace.signing_secret),
        )
        async with built_bot(workspace, settings, busy_timeout=busy_timeout) as bot, running(bot):
            workspace.deliver_over_http(f"{bot.address}/slack/events")
            yield bot


@pytest.fixture
async def bot(tmp_path: Path) -> AsyncIterator[Bot]:
    async with http_bot(tmp_path) as running:
        yield running


async def send(bot: Bot, body: bytes, content_type: str = FORM, **headers: str) -> tuple[int, str]:
    signed = signed_headers(body, secret=bot.workspace.signing_secret, at=time.time())
    given = {**signed, "Content-Type": content_type, **headers}
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{bot.address}/slack/events", data=body, headers=given) as response,
    ):
        return response.status, await response.text()


async def test_a_signed_click_is_recorded_and_acknowledged_and_runs_once(bot: Bot) -> None:
    proposal_id, card = await bot.offered("a")
    assert bot.workspace.sockets.open_sockets == 0

    outcome = await bot.press(card, APPROVE, by="ann")

    assert outcome.acked
    await bot.becomes(proposal_id, ActionStatus.COMPLETED)
    await bot.card_of(proposal_id, saying="done and confirmed")
    assert bot.target.ledger["a"] == 1


async def test_a_refusal_is_acknowledged_and_said_to_one_person(bot: Bot) -> None:
    proposal_id, card = await bot.offered("a")

    assert (await bot.press(card, APPROVE, by="guest")).acked

    assert "you are a guest" in await bot.told("guest")
    assert bot.workspace.ephemerals("ops", user="ann") == []
    assert (await bot.proposal(proposal_id)).status is ActionStatus.VALIDATED


async def test_the_exact_bytes_of_a_click_are_good_once(bot: Bot, caplog: pytest.LogCaptureFixture) -> None:
    proposal_id, card = await bot.offered("a")
    payload = click_payload(bot.workspace, user="ann", card=card, button=APPROVE)
    body, content_type = encode(Kind.INTERACTIVE, payload)
    headers = signed_headers(body, secret=bot.workspace.signing_secret, at=time.time())

    answers = await asyncio.gather(*(send(bot, body, content_type, **headers) for _ in range(5)))

    assert sorted(status for status, _ in answers) == [200, 409, 409, 409, 409]
    await bot.becomes(proposal_id, ActionStatus.COMPLETED)
    assert len(await bot.audit("approved")) == 1
    assert await bot.audit("duplicate") == [], "what the gate has met before goes no further"
    assert all(len(message) < 200 for message in caplog.messages if "refused a request" in message)


async def test_the_same_click_signed_anew_counts_once(bot: Bot) -> None:
    cards = [await bot.offered(f"item {number}") for number in range(4)]
    payloads = [click_payload(bot.workspace, user="ann", card=card, button=APPROVE) for _, card in cards]
    now = time.time()

    async def deliver(payload: dict[str, object], number: int) -> int:
        body, content_type = encode(Kind.INTERACTIVE, payload)
        headers = signed_headers(body, secret=bot.workspace.signing_secret, at=now - number)
        return (await send(bot, body, content_type, **headers))[0]

    statuses = await asyncio.gather(*(deliver(payload, number) for payload in payloads for number in range(5)))

    assert set(statuses) == {200}
    for proposal_id, _ in cards:
        await bot.becomes(proposal_id, ActionStatus.COMPLETED)
    assert len(await bot.audit("approved")) == len(cards)
    assert len(await bot.audit("duplicate")) == 4 * len(cards)
    await bot.read(lambda reader: check(reader, bot.target.ledger, {}))


async def test_what_slack_did_not_sign_just_now_goes_nowhere(bot: Bot) -> None:
    _, card = await bot.offered("a")
    body, content_type = encode(Kind.INTERACTIVE, click_payload(bot.workspace, user="ann", card=card, button=APPROVE))
    right, now = bot.workspace.signing_secret, time.time()
    forged = [
        signed_headers(body, secret="another", at=now),
        signed_headers(body, secret=right, at=now - 400),
        signed_headers(body, secret=right, at=now + 400),
        signed_headers(body + b" ", secret=right, at=now),
        {"X-Slack-Request-Timestamp": "", "X-Slack-Signature": ""},
    ]

    for headers in forged:
        assert (await send(bot, body, content_type, **headers))[0] == 401

    assert await bot.audit("approved") == []
    assert pressable(await bot.card_of(1))


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"payload=%7Bbroken", FORM),
        (b"payload=", FORM),
        (b"payload=%5B1%2C2%5D", FORM),
        (b"payload=null", FORM),
        (b"payload=" + b"%5B" * 50_000, FORM),
        (b"payload=" + b"9" * 100_000, FORM),
        (b"{broken", "application/json"),
        (b"[1]", "application/json"),
        (b"null", "application/json"),
        (b"\xff\xfe\x00", "application/json"),
        (b"", "application/json"),
    ],
    ids=range(11),
)
async def test_signed_nonsense_is_refused_without_a_fault(
    bot: Bot, body: bytes, content_type: str, caplog: pytest.LogCaptureFixture
) -> None:
    status, _ = await send(bot, body, content_type)

    assert status == 400
    assert [record.message for record in caplog.records if record.levelno >= logging.ERROR] == []
    assert (await bot.type("status"))[0].acked


@pytest.mark.parametrize("actions", [[], None, {}, "text", [None], [[]]])
async def test_what_bolt_itself_stumbles_over_is_no_fault_of_the_server(bot: Bot, actions: object) -> None:
    proposal_id, card = await bot.offered("a")
    payload = click_payload(bot.workspace, user="ann", card=card, button=APPROVE)
    body, content_type = encode(Kind.INTERACTIVE, payload | {"actions": actions})

    status, _ = await send(bot, body, content_type)

    assert status in {200, 400}
    assert (await bot.proposal(proposal_id)).status is ActionStatus.VALIDATED
    assert (await bot.press(card, APPROVE, by="ann")).acked


@pytest.mark.parametrize("body", [b"", b"a=b", b"\xff\xfe", b"ssl_check=1", b"command=%00"])
async def test_signed_forms_that_say_nothing_are_acknowledged_and_change_nothing(bot: Bot, body: bytes) -> None:
    before = await bot.read(lambda reader: reader.audit(limit=1_000))

    assert (await send(bot, body))[0] == 200

    assert await bot.read(lambda reader: reader.audit(limit=1_000)) == before


async def test_bolts_own_headers_do_nothing(bot: Bot) -> None:
    proposal_id, card = await bot.offered("a")
    body, content_type = encode(Kind.INTERACTIVE, click_payload(bot.workspace, user="ann", card=card, button=APPROVE))
    lazy = {"X-Slack-Bolt-Lazy-Only": "1", "X-Slack-Bolt-Lazy-Function-Name": "approve"}

    assert (await send(bot, body, content_type, **lazy))[0] == 200

    await bot.becomes(proposal_id, ActionStatus.COMPLETED)


async def test_the_word_payload_in_a_command_is_a_word_like_any_other(bot: Bot) -> None:
    outcome, said = await bot.type("kill-switch payload=bad payload", by="ann")

    assert outcome.acked
    assert said.startswith("Stopped.")
    control = await bot.parts.safety.control()
    assert (control.mode, control.reason) == (SafetyMode.OBSERVE, "payload=bad payload")


async def test_slack_can_check_that_the_address_is_ours(bot: Bot) -> None:
    body = json.dumps({"type": "url_verification", "token": "x", "challenge": "3eZbrw1aBm"}).encode()

    status, text = await send(bot, body, "application/json")

    assert status == 200
    assert json.loads(text) == {"challenge": "3eZbrw1aBm"}


async def test_the_tab_the_forms_and_the_modals_come_by_http_too(bot: Bot) -> None:
    _, card = await bot.offered("a")
    assert (await bot.workspace.open_home(user="ann")).acked
    await bot.until(lambda: bot.workspace.home("ann") is not None)

    assert (await bot.press(card, Button.CANCEL, by="ann")).acked
    await bot.until(lambda: bool(bot.workspace.modals("ann")))
    (modal,) = bot.workspace.modals("ann")
    submitted = await bot.workspace.submit(
        user="ann", view_id=modal["id"], values={"reason.enter": {"reason.enter": "bad\x00 \ud83d\ude00 words"}}
    )

    assert submitted.acked
    assert [line.data["reason"] for line in await bot.audit("explained")] == ["bad\ufffd \U0001f600 words"]


async def test_with_the_database_locked_a_click_is_not_acknowledged_and_a_kill_still_works(tmp_path: Path) -> None:
    async with http_bot(tmp_path, busy_timeout=0.1) as bot:
        proposal_id, card = await bot.offered("a")
        with locked(tmp_path):
            outcome = await bot.press(card, APPROVE, by="ann")
            assert (outcome.acked, outcome.error) == (False, "dispatch_failed")
            assert "nothing was recorded" in await bot.told("ann")

            typed, said = await bot.type("kill-switch", by="ann")
            assert typed.acked
            assert "locked" in said
        assert len(bot.parts.kill_files.present()) == 1
        assert (await bot.proposal(proposal_id)).status is ActionStatus.VALIDATED


async def test_both_secrets_are_good_while_they_are_being_changed(tmp_path: Path) -> None:
    async with local_workspace() as workspace:
        both = SecretStr(f"the-next-one,{workspace.signing_secret}")
        settings = settings_for(workspace, tmp_path, SLACK_APP_TOKEN=None, SLACK_SIGNING_SECRET=both)
        async with built_bot(workspace, settings) as bot, running(bot):
            workspace.deliver_over_http(f"{bot.address}/slack/events")
            assert (await bot.type("status"))[0].acked
            body = urlencode({"command": "/operator", "text": "status"}).encode()
            headers = signed_headers(body, secret="the-next-one", at=time.time())
            assert (await send(bot, body, **headers))[0] == 200


@pytest.mark.parametrize(
    ("raw", "content_type", "payload"),
    [
        (b'{"a": 1}', "application/json", {"a": 1}),
        (b'{"a": 1}', "Application/JSON; charset=utf-8", {"a": 1}),
        (b"payload=%7B%22a%22%3A+1%7D", FORM, {"a": 1}),
        (b"command=%2Foperator&text=a+payload", FORM, {"command": "/operator", "text": "a payload"}),
        (b"text=&command=x", FORM, {"text": "", "command": "x"}),
        (b"", FORM, {}),
        (b"text=%ff", FORM, {"text": "\ufffd"}),
    ],
)
def test_how_a_body_is_read(raw: bytes, content_type: str, payload: dict[str, object]) -> None:
    assert read_body(raw, content_type) == payload


def test_a_body_that_is_neither_form_nor_object_is_refused() -> None:
    with pytest.raises(BadRequestError, match="no object"):
        read_body(b"[]", "application/json")
