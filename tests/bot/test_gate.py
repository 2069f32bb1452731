"""Only what Slack signed, a moment ago and for the first time, gets past the gate.

`tests.prove.gate` sends many more of the forged ones.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Final
from urllib.parse import quote

import httpx
import pytest
from slack_bolt.adapter.starlette.async_handler import AsyncSlackRequestHandler
from slack_bolt.async_app import AsyncAck, AsyncApp
from slack_bolt.authorization import AuthorizeResult
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Message

from actions.errors import ConfigurationError, StorageError
from bot.gate import LINES_PER_MINUTE, MOST_BYTES, RecentSignatures, SlackGate
from tests.bot.forged_requests import (
    BODY,
    MANGLINGS,
    SECRET,
    Behind,
    Entrance,
    Sent,
    added,
    ask,
    chunks,
    header,
    signed,
    with_header,
)
from tests.factories import FixedClock

NEXT_SECRET: Final = "11aa22bb33cc44dd55ee66ff77889900"


@pytest.fixture
def slack() -> Entrance:
    return Entrance()


async def test_what_slack_signed_passes_once_and_whole(slack: Entrance) -> None:
    sent = replace(signed(slack.timestamp), parts=7)

    assert await slack.answer(sent) == 200
    assert await slack.answer(sent) == 409
    assert slack.behind.bodies == [BODY]


async def test_a_replay_is_refused_by_every_process_and_after_a_restart(slack: Entrance) -> None:
    sent = signed(slack.timestamp)
    await slack.answer(sent)

    status, _ = await ask(slack.another_gate(), sent, chunks(sent))

    assert status == 409


async def test_of_the_same_request_at_the_same_time_one_passes(slack: Entrance) -> None:
    sent = signed(slack.timestamp)

    answers = await asyncio.gather(*(slack.answer(sent) for _ in range(20)))

    assert sorted(answers) == [200, *[409] * 19]


async def test_both_secrets_are_good_while_they_are_being_changed() -> None:
    slack = Entrance(secrets=[SECRET, NEXT_SECRET])

    assert await slack.answer(signed(slack.timestamp)) == 200
    assert await slack.answer(signed(slack.timestamp, secret=NEXT_SECRET)) == 200
    assert await slack.answer(signed(slack.timestamp, secret="neither")) == 401


@pytest.mark.parametrize(("off", "status"), [(-301, 401), (-300, 200), (300, 200), (301, 401)])
async def test_a_timestamp_may_be_off_by_five_minutes_either_way(slack: Entrance, off: int, status: int) -> None:
    assert await slack.answer(signed(slack.timestamp + off)) == status


@pytest.mark.parametrize(
    "stamp",
    [b"", b"abc", b"1e9", b"-772368000", b" 1772366400", b"1772366400\n", b"01772366400", b"177236640", b"1772366400.0",
     "１７７２３６６４００".encode(), b"\xff" * 10],  # noqa: RUF001 - digits that are none
)  # fmt: skip
async def test_a_malformed_timestamp_is_refused_even_if_it_is_signed(slack: Entrance, stamp: bytes) -> None:
    assert await slack.answer(signed(0, stamp=stamp)) == 401


@pytest.mark.parametrize(
    "mangle",
    [
        bytes.upper,
        lambda value: value[:-1],
        lambda value: value + b"0",
        lambda value: value[3:],
        lambda value: b"v1" + value[2:],
        lambda value: value[:-1] + b"\xe9",
        lambda _: b"",
        lambda value: value + b"\n",
        lambda value: b"v0=" + value,
    ],
)
async def test_a_malformed_signature_is_refused(slack: Entrance, mangle: Callable[[bytes], bytes]) -> None:
    sent = signed(slack.timestamp)

    assert (
        await slack.answer(with_header(sent, b"x-slack-signature", mangle(header(sent, b"x-slack-signature")))) == 401
    )


@pytest.mark.parametrize("name", [b"x-slack-signature", b"x-slack-request-timestamp", b"content-type"])
async def test_a_header_that_comes_twice_is_refused(slack: Entrance, name: bytes) -> None:
    sent = signed(slack.timestamp)

    assert await slack.answer(added(sent, name.title(), header(sent, name))) == 401


async def test_unsigned_requests_are_refused_whatever_they_ask_for(slack: Entrance) -> None:
    for body in (b"ssl_check=1", b'{"type":"url_verification","challenge":"x"}', b"[" * 100_000, b"\xff\n2026 ok"):
        unsigned = Sent(headers=[(b"content-type", b"application/json")], body=body)

        assert await slack.answer(unsigned) == 401

    assert slack.behind.scopes == []


async def test_a_body_that_is_too_large_is_refused_as_soon_as_that_shows(slack: Entrance) -> None:
    declared = signed(slack.timestamp, b"x" * (MOST_BYTES + 1))
    undeclared = replace(declared, headers=[one for one in declared.headers if one[0] != b"content-length"])
    endless: list[Message] = [{"type": "http.request", "body": b"x" * 65_536, "more_body": True} for _ in range(1_000)]

    assert await slack.answer(declared) == 413
    assert (await ask(slack.gate, undeclared, endless))[0] == 413
    assert len(endless) == 1_000 - 5


async def test_the_largest_body_passes(slack: Entrance) -> None:
    assert await slack.answer(replace(signed(slack.timestamp, b"x" * MOST_BYTES), parts=9)) == 200


async def test_a_body_that_does_not_arrive_is_not_waited_for(slack: Entrance) -> None:
    sent = signed(slack.timestamp)
    status, _ = await ask(slack.gate, sent, [{"type": "http.request", "body": b"pay", "more_body": True}])

    assert status == 408


async def test_a_client_that_goes_away_gets_no_answer_and_reaches_nothing(slack: Entrance) -> None:
    answered: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        answered.append(dict(message))

    scope = {"type": "http", "method": "POST", "path": "/", "headers": signed(slack.timestamp).headers, "client": None}
    await slack.gate(scope, receive, send)

    assert (answered, slack.behind.scopes) == ([], [])


@pytest.mark.parametrize(
    ("name", "value", "status"),
    [
        (b"content-encoding", b"gzip", 415),
        (b"content-encoding", b"identity", 200),
        (b"content-type", b"text/html", 415),
        (b"content-type", b"application/json; charset=utf-8", 200),
        (b"content-length", b"-1", 400),
        (b"content-length", b"1e3", 400),
        (b"user-agent", b"Slackbot \xe2\x80\xae", 401),
    ],
)
async def test_headers_decide_before_the_body_is_read(slack: Entrance, name: bytes, value: bytes, status: int) -> None:
    assert await slack.answer(with_header(signed(slack.timestamp), name, value)) == status


async def test_only_post_is_for_slack(slack: Entrance) -> None:
    for method in ("GET", "PUT", "DELETE", "HEAD", "PATCH"):
        assert await slack.answer(replace(signed(slack.timestamp), method=method)) == 405


async def test_nothing_unsigned_travels_with_a_signed_request(slack: Entrance) -> None:
    sent = signed(slack.timestamp)
    for name in (b"x-slack-bolt-lazy-only", b"X-Slack-Bolt-Lazy-Function-Name", b"x-http-method-override",
                 b"connection", b"transfer-encoding", b"x-forwarded-for", b"x-geo-city"):  # fmt: skip
        sent = added(sent, name, "Zürich".encode())
    sent = added(sent, b"x-slack-retry-num", b"1")

    assert await slack.answer(sent) == 200
    (scope,) = slack.behind.scopes
    assert [name for name, _ in scope["headers"]] == [
        b"content-type",
        b"x-slack-request-timestamp",
        b"x-slack-signature",
        b"x-slack-retry-num",
        b"content-length",
    ]
    assert dict(scope["headers"])[b"content-length"] == str(len(BODY)).encode()
    assert scope["query_string"] == b""


async def test_the_kill_switch_stays_within_reach_when_the_database_cannot_be_written(slack: Entrance) -> None:
    slack.store.failure = StorageError("the disk is full")
    sent = signed(slack.timestamp)

    assert [await slack.answer(sent) for _ in range(2)] == [200, 409]


async def test_signatures_are_remembered_as_long_as_they_could_be_used_and_no_longer() -> None:
    clock = FixedClock()
    recent = RecentSignatures(clock)
    await recent.seen_before("a")
    clock.advance(600)

    assert await recent.seen_before("a")
    clock.advance(601)
    assert not await recent.seen_before("b")
    assert not await recent.seen_before("a")


async def test_the_memory_for_signatures_is_bounded() -> None:
    recent = RecentSignatures(FixedClock())
    for number in range(60_000):
        await recent.seen_before(str(number))

    assert len(recent._seen) <= 50_000
    assert await recent.seen_before("59999")


@pytest.mark.parametrize("secrets", [[], [""], [SECRET, ""]])
def test_an_empty_secret_is_noticed_at_the_start(secrets: list[str]) -> None:
    with pytest.raises(ConfigurationError, match="SLACK_SIGNING_SECRET is empty"):
        SlackGate(Behind(), secrets=secrets, clock=FixedClock(), replays=RecentSignatures(FixedClock()))


async def test_nothing_forged_replayed_or_mangled_passes_breaks_anything_or_fills_the_log(
    slack: Entrance, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    random = Random(20260301)
    forged = [mangle(slack, random) for mangle in MANGLINGS.values() for _ in range(100)]
    answers = [await slack.answer(sent) for sent in forged]

    assert slack.behind.scopes == []
    assert {status for status in answers if not 400 <= status < 500} == set()
    assert 0 < len(caplog.messages) <= len(forged)
    assert max(len(text.encode()) for text in caplog.messages) <= 200
    assert all(text.isascii() and text.isprintable() for text in caplog.messages)


async def test_of_a_flood_the_log_says_how_much_it_was_and_no_more(
    slack: Entrance, caplog: pytest.LogCaptureFixture
) -> None:
    unsigned = Sent(headers=[])
    for _ in range(LINES_PER_MINUTE + 30):
        await slack.answer(unsigned)
    assert len(caplog.messages) == LINES_PER_MINUTE
    slack.clock.advance(60)
    await slack.answer(unsigned)
    await slack.answer(unsigned)

    assert caplog.messages[-2].endswith("from 127.0.0.1; 30 more were refused without a word")
    assert caplog.messages[-1].endswith("from 127.0.0.1")


async def test_a_proxy_cannot_write_into_the_log(slack: Entrance, caplog: pytest.LogCaptureFixture) -> None:
    await ask(slack.gate, Sent(headers=[]), [], client="::1\n2026 INFO forged \x1b[31m\u202e" + "x" * 500)

    (said,) = caplog.messages
    assert said.isascii()
    assert said.isprintable()
    assert len(said) <= 200


async def test_of_all_deliveries_in_any_order_each_valid_request_passes_once(slack: Entrance) -> None:
    random = Random(7)
    sent = [signed(slack.timestamp, f"payload={number}".encode()) for number in range(500)]
    deliveries = [one for one in sent for _ in range(random.randrange(1, 6))]
    random.shuffle(deliveries)
    answers = [await slack.answer(one) for one in deliveries]

    assert answers.count(200) == len(sent)
    assert answers.count(409) == len(deliveries) - len(sent)
    assert sorted(slack.behind.bodies) == sorted(one.body for one in sent)


async def test_bolt_behind_the_gate_answers_the_challenge_and_obeys_no_foreign_header() -> None:
    clock, pressed = FixedClock(), list[str]()
    gate = SlackGate(_bolt(pressed), secrets=[SECRET], clock=clock, replays=RecentSignatures(clock))
    at = int(clock.now().timestamp())
    challenge = with_header(
        signed(at, b'{"type":"url_verification","challenge":"c4"}'), b"content-type", b"application/json"
    )
    press = added(signed(at, PRESS), b"x-slack-bolt-lazy-only", b"1")
    async with httpx.AsyncClient(transport=httpx.ASGITransport(gate), base_url="http://bot.example") as client:
        answers = [await client.post("/slack/events", content=s.body, headers=s.headers) for s in (challenge, press)]

    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].json() == {"challenge": "c4"}
    assert pressed == ["acknowledged"]


PRESS: Final = (
    b"payload="
    + quote(
        '{"type":"block_actions","team":{"id":"T1"},"user":{"id":"U1"},"actions":[{"action_id":"x","type":"button"}]}'
    ).encode()
)


def _bolt(pressed: list[str]) -> Starlette:
    async def authorize() -> AuthorizeResult:
        return AuthorizeResult(enterprise_id=None, team_id="T1", bot_token="xoxb-1", bot_id="B1", bot_user_id="U9")

    app = AsyncApp(
        signing_secret=SECRET, authorize=authorize, process_before_response=True, request_verification_enabled=False
    )

    @app.action("x")
    async def press(ack: AsyncAck) -> None:
        pressed.append("acknowledged")
        await ack()

    handler = AsyncSlackRequestHandler(app)

    async def events(request: Request) -> Response:
        return await handler.handle(request)

    return Starlette(routes=[Route("/slack/events", events, methods=["POST"])])
