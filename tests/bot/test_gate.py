"""Only what Slack signed, a moment ago and for the first time, gets past the gate.

OPERATOR_PROVE multiplies the corpus (`tests.bot.prove`): 1 is 5,000 requests.
"""

import asyncio
import hashlib
import hmac
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
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
from starlette.types import Message, Receive, Scope, Send

from actions.errors import ConfigurationError, StorageError
from bot.gate import MOST_BYTES, RecentSignatures, SlackGate, StoredReplayCache
from tests.bot.prove import cases
from tests.factories import FixedClock
from tests.memory_store import MemoryStore

SECRET: Final = "8f742231b10e8888abcd99yyyzzz85a5"
NEXT_SECRET: Final = "11aa22bb33cc44dd55ee66ff77889900"
BODY: Final = b"payload=%7B%22type%22%3A%22block_actions%22%7D"
Headers = list[tuple[bytes, bytes]]


@dataclass(frozen=True, kw_only=True)
class Sent:
    """A request as the server hands it over."""

    headers: Headers
    body: bytes = BODY
    method: str = "POST"
    parts: int = 1


@dataclass
class Behind:
    """The application behind the gate: remembers what reached it."""

    scopes: list[Scope] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        message = await receive()
        self.scopes.append(scope)
        self.bodies.append(message["body"])
        assert message["more_body"] is False
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})


class Entrance:
    """A gate, what is behind it, and what it answered."""

    def __init__(self, *, secrets: Iterable[str] = (SECRET,)) -> None:
        self.clock = FixedClock()
        self.store = MemoryStore()
        self.behind = Behind()
        replays = StoredReplayCache(self.store, self.clock)
        self.gate = SlackGate(self.behind, secrets=list(secrets), clock=self.clock, replays=replays, body_seconds=0.05)

    @property
    def timestamp(self) -> int:
        return int(self.clock.now().timestamp())

    async def answer(self, sent: Sent) -> int:
        status, body = await self.answer_in_full(sent)
        assert len(body) <= 100
        return status

    async def answer_in_full(self, sent: Sent) -> tuple[int, bytes]:
        return await ask(self.gate, sent, _chunks(sent))


async def ask(gate: SlackGate, sent: Sent, messages: list[Message], *, client: str = "127.0.0.1") -> tuple[int, bytes]:
    answered: list[Message] = []

    async def receive() -> Message:
        return messages.pop(0) if messages else await asyncio.Event().wait()  # type: ignore[return-value] # never ends

    async def send(message: Message) -> None:
        answered.append(dict(message))

    scope = {"type": "http", "method": sent.method, "path": "/slack/events", "headers": sent.headers}
    await gate({**scope, "query_string": b"x-slack-bolt=1", "client": (client, 50_000)}, receive, send)
    start, end = answered
    return start["status"], end["body"]


def _chunks(sent: Sent) -> list[Message]:
    size = -(-len(sent.body) // sent.parts) or 1
    pieces = [sent.body[at : at + size] for at in range(0, len(sent.body), size)] or [b""]
    return [
        {"type": "http.request", "body": piece, "more_body": number < len(pieces)}
        for number, piece in enumerate(pieces, start=1)
    ]


def signed(timestamp: int, body: bytes = BODY, *, secret: str = SECRET, stamp: bytes | None = None) -> Sent:
    at = stamp if stamp is not None else str(timestamp).encode()
    signature = hmac.new(secret.encode(), b"v0:" + at + b":" + body, hashlib.sha256).hexdigest()
    return Sent(
        headers=[
            (b"host", b"bot.example"),
            (b"content-type", b"application/x-www-form-urlencoded"),
            (b"content-length", str(len(body)).encode()),
            (b"x-slack-request-timestamp", at),
            (b"x-slack-signature", f"v0={signature}".encode()),
        ],
        body=body,
    )


def with_header(sent: Sent, name: bytes, value: bytes) -> Sent:
    return replace(sent, headers=[*((key, old) for key, old in sent.headers if key != name), (name, value)])


def added(sent: Sent, name: bytes, value: bytes) -> Sent:
    return replace(sent, headers=[*sent.headers, (name, value)])


def header(sent: Sent, name: bytes) -> bytes:
    return dict(sent.headers)[name]


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
    restarted = SlackGate(
        slack.behind, secrets=[SECRET], clock=slack.clock, replays=StoredReplayCache(slack.store, slack.clock)
    )

    status, _ = await ask(restarted, sent, _chunks(sent))

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
    forged = [MANGLINGS[number % len(MANGLINGS)](slack, random) for number in range(cases(5_000))]
    answers = [await slack.answer(sent) for sent in forged]

    assert slack.behind.scopes == []
    assert {status for status in answers if not 400 <= status < 500} == set()
    assert len(caplog.messages) == len(forged)
    assert max(len(text.encode()) for text in caplog.messages) <= 200
    assert all(text.isascii() and text.isprintable() for text in caplog.messages)


async def test_a_proxy_cannot_write_into_the_log(slack: Entrance, caplog: pytest.LogCaptureFixture) -> None:
    await ask(slack.gate, Sent(headers=[]), [], client="::1\n2026 INFO forged \x1b[31m\u202e" + "x" * 500)

    (said,) = caplog.messages
    assert said.isascii()
    assert said.isprintable()
    assert len(said) <= 200


async def test_of_all_deliveries_in_any_order_each_valid_request_passes_once(slack: Entrance) -> None:
    random = Random(7)
    sent = [signed(slack.timestamp, f"payload={number}".encode()) for number in range(cases(2_000))]
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


def _flip(value: bytes, random: Random) -> bytes:
    at, bit = random.randrange(len(value)), 1 << random.randrange(8)
    return value[:at] + bytes([value[at] ^ bit]) + value[at + 1 :]


def _fresh(slack: Entrance, random: Random) -> Sent:
    return signed(slack.timestamp + random.randrange(-300, 301), b"payload=" + random.randbytes(random.randrange(200)))


def _unsigned(slack: Entrance, random: Random) -> Sent:
    sent = _fresh(slack, random)
    dropped = random.choice([b"x-slack-signature", b"x-slack-request-timestamp"])
    return replace(sent, headers=[one for one in sent.headers if one[0] != dropped])


def _by_another(slack: Entrance, random: Random) -> Sent:
    return signed(slack.timestamp, random.randbytes(50), secret=random.randbytes(16).hex())


def _flipped(name: bytes) -> Callable[[Entrance, Random], Sent]:
    def flip(slack: Entrance, random: Random) -> Sent:
        sent = _fresh(slack, random)
        return with_header(sent, name, _flip(header(sent, name), random))

    return flip


def _flipped_body(slack: Entrance, random: Random) -> Sent:
    sent = _fresh(slack, random)
    return replace(sent, body=_flip(sent.body, random))


def _cut_body(slack: Entrance, random: Random) -> Sent:
    sent = _fresh(slack, random)
    return replace(sent, body=random.choice([sent.body[:-1], sent.body + b"\n", b""]))


def _shouted(slack: Entrance, random: Random) -> Sent:
    sent = _fresh(slack, random)
    mangled = header(sent, b"x-slack-signature").replace(b"v0", b"V0")
    return with_header(sent, random.choice([b"x-slack-signature", b"X-Slack-Signature"]).lower(), mangled)


def _doubled(slack: Entrance, random: Random) -> Sent:
    sent = _fresh(slack, random)
    name = random.choice([b"x-slack-signature", b"x-slack-request-timestamp"])
    return added(sent, random.choice([name, name.upper()]), random.choice([header(sent, name), b"x"]))


def _late(slack: Entrance, random: Random) -> Sent:
    return signed(slack.timestamp + random.choice([-1, 1]) * random.randrange(301, 10**8), random.randbytes(20))


def _odd_time(slack: Entrance, random: Random) -> Sent:
    return signed(0, stamp=random.choice([random.randbytes(10), str(slack.timestamp).encode() + b"\r\n", b"9" * 30]))


def _encoded(slack: Entrance, random: Random) -> Sent:
    return added(
        _fresh(slack, random), b"Content-Encoding", random.choice([b"gzip", b"br", b"\xff", b"identity, gzip"])
    )


def _injecting(slack: Entrance, random: Random) -> Sent:
    return with_header(
        _fresh(slack, random), b"x-slack-signature", b"v0=\r\n2026 INFO forged \x1b[31m" + random.randbytes(900)
    )


def _huge(slack: Entrance, random: Random) -> Sent:
    return with_header(_fresh(slack, random), b"content-length", str(random.randrange(MOST_BYTES + 1, 10**11)).encode())


MANGLINGS: Final[list[Callable[[Entrance, Random], Sent]]] = [
    _unsigned, _by_another, _flipped(b"x-slack-signature"), _flipped(b"x-slack-request-timestamp"), _flipped_body,
    _cut_body, _shouted, _doubled, _late, _odd_time, _encoded, _injecting, _huge,
]  # fmt: skip
