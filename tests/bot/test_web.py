import asyncio
import inspect
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pydantic import SecretStr
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from actions import errors
from actions.agent.intake import Intake, Receipt, Submission
from actions.errors import OperatorError, OverloadedError, StorageError
from actions.models import ActionStatus, SafetyMode
from actions.policy import ConfiguredPolicy
from actions.ports import Clock, KillFiles, Store
from actions.safety import SafetyController
from bot.api import AT_ONCE, WAITING, Taker
from bot.problem_documents import status_of
from bot.request_guards import MAX_BODY
from bot.settings import Limits, Settings
from bot.web import build_web
from tests.bot.promised import FIELDS
from tests.bot.submitted import a_body, recommending
from tests.factories import FixedClock
from tests.memory_store import MemoryStore
from tests.rig import ANN, POLICY, MemoryKillFiles, Rig

TOKEN = "0123456789abcdef"
ADMIN_TOKEN = "fedcba9876543210"
AUTHORIZED = {"Authorization": f"Bearer {TOKEN}"}
DIAGNOSES = "/api/v1/diagnoses"


@dataclass
class Parts:
    settings: Settings
    store: Store
    intake: Taker
    policy: ConfiguredPolicy
    safety: SafetyController
    kill_files: KillFiles
    clock: Clock


class Failing(MemoryStore):
    """A store that refuses everything while `error` is set."""

    error: OperatorError | None = None

    async def write(self, work: Any, *, urgent: bool = False) -> Any:
        if self.error is not None:
            raise self.error
        return await super().write(work, urgent=urgent)


@dataclass
class World:
    rig: Rig
    parts: Parts
    store: Failing
    kill_files: MemoryKillFiles
    clock: FixedClock

    def client(self, app: ASGIApp | None = None, **headers: str) -> httpx.AsyncClient:
        transport = httpx.ASGITransport(app=app or build_web(self.parts, None))
        return httpx.AsyncClient(transport=transport, base_url="http://bot", headers=AUTHORIZED | headers)


async def build(**over: Any) -> World:
    store, kill_files, clock = Failing(), MemoryKillFiles(), FixedClock()
    rig = await Rig(store, kill_files, clock).start()
    intake = Intake(
        store=store,
        registry=rig.registry,
        subjects=["rack"],
        kill_files=kill_files,
        clock=clock,
        publisher=rig.publisher,
        executor=rig.executor,
    )
    fields: dict[str, Any] = {
        "ingest_token": SecretStr(TOKEN),
        "admin_token": SecretStr(ADMIN_TOKEN),
        "channel": "C0DEFAULT",
        "incident_channels": ("C0INCIDENT",),
    }
    parts = Parts(
        settings=Settings(**(fields | over)),
        store=store,
        intake=intake,
        policy=POLICY,
        safety=rig.safety,
        kill_files=kill_files,
        clock=clock,
    )
    return World(rig=rig, parts=parts, store=store, kill_files=kill_files, clock=clock)


@pytest.fixture
async def world() -> World:
    return await build()


@pytest.fixture
async def client(world: World) -> AsyncIterator[httpx.AsyncClient]:
    async with world.client() as client:
        yield client


def require_problem(response: httpx.Response, status: int) -> dict[str, Any]:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    document: dict[str, Any] = response.json()
    assert document["status"] == status
    assert document["title"]
    assert document["detail"]
    assert document["type"] == "about:blank" or document["type"].startswith("urn:operator-bot:problem:")
    return document


async def test_a_diagnosis_is_taken_in_and_what_it_recommends_is_proposed(client: httpx.AsyncClient) -> None:
    response = await client.post(DIAGNOSES, json=a_body(recommended_actions=[recommending("a"), recommending("b")]))

    assert response.status_code == 202
    said = response.json()
    assert said["refused"] == []
    assert [(one["action_name"], one["target"], one["status"]) for one in said["proposals"]] == [
        ("rack.touch", "a", "validated"),
        ("rack.touch", "b", "validated"),
    ]
    shown = await client.get(f"/api/v1/actions/{said['proposals'][0]['id']}")
    assert shown.json()["proposed_by"] == "http:monitor"


async def test_what_cannot_be_proposed_is_named_with_every_reason_and_the_rest_is_proposed(
    client: httpx.AsyncClient,
) -> None:
    recommended = [recommending("a", force=True, mark=3), recommending("b"), recommending("c", action="rack.tuch")]

    response = await client.post(DIAGNOSES, json=a_body(recommended_actions=recommended))

    said = response.json()
    assert response.status_code == 202
    assert [one["target"] for one in said["proposals"]] == ["b"]
    assert [one["action_name"] for one in said["refused"]] == ["rack.touch", "rack.tuch"]
    assert len(said["refused"][0]["errors"]) == 2
    assert "Did you mean rack.touch" in said["refused"][1]["errors"][0]


async def test_in_observe_mode_the_diagnosis_is_stored_and_nothing_is_proposed(
    world: World, client: httpx.AsyncClient
) -> None:
    await world.rig.safety.set_mode(SafetyMode.OBSERVE, by=ANN)

    said = (await client.post(DIAGNOSES, json=a_body())).json()

    assert said["proposals"] == []
    assert "The mode is observe" in said["refused"][0]["errors"][0]
    stored = await world.store.read(lambda reader: reader.diagnosis(said["diagnosis_id"]))
    assert stored is not None
    assert stored.observed_only


async def test_the_same_key_with_the_same_body_gets_the_same_answer(client: httpx.AsyncClient) -> None:
    headers = {"Idempotency-Key": "k-1"}

    first = await client.post(DIAGNOSES, json=a_body(), headers=headers)
    second = await client.post(DIAGNOSES, json=a_body(), headers=headers)

    assert (first.status_code, first.json()) == (second.status_code, second.json())


async def test_the_same_key_with_another_body_is_a_conflict(client: httpx.AsyncClient) -> None:
    headers = {"Idempotency-Key": "k-1"}
    await client.post(DIAGNOSES, json=a_body(), headers=headers)

    problem = require_problem(await client.post(DIAGNOSES, json=a_body(confidence="low"), headers=headers), 409)

    assert problem["type"] == "urn:operator-bot:problem:key-reused"


async def test_without_a_key_the_body_is_the_key_however_it_is_written(client: httpx.AsyncClient) -> None:
    compact = json.dumps(a_body(), separators=(",", ":"))
    turned = json.dumps(dict(reversed(a_body().items())), indent=2)

    first = await client.post(DIAGNOSES, content=compact)
    second = await client.post(DIAGNOSES, content=turned)
    other = await client.post(DIAGNOSES, json=a_body(target="elsewhere"))

    assert first.json() == second.json()
    assert other.json()["diagnosis_id"] != first.json()["diagnosis_id"]


@pytest.mark.parametrize("key", ["", "x" * 256, "has space"])
async def test_other_keys_are_refused(client: httpx.AsyncClient, key: str) -> None:
    require_problem(await client.post(DIAGNOSES, json=a_body(), headers={"Idempotency-Key": key}), 400)


@pytest.mark.parametrize(
    "authorization", ["", "Bearer", "Bearer wrong", f"Basic {TOKEN}", f"Bearer {TOKEN}x", "Bearer \xff\xfe"]
)
@pytest.mark.parametrize("path", [DIAGNOSES, "/api/v1/actions", "/api/v1/actions/1"])
async def test_nobody_comes_in_without_the_token(client: httpx.AsyncClient, authorization: str, path: str) -> None:
    headers = {"Authorization": authorization.encode("latin-1")}
    method = "POST" if path == DIAGNOSES else "GET"

    response = await client.request(method, path, headers=headers)  # type: ignore[arg-type] # bytes are what a header is

    require_problem(response, 401)
    assert response.headers["www-authenticate"] == "Bearer"


async def test_without_a_configured_token_the_interface_is_off_and_says_how_to_switch_it_on() -> None:
    world = await build(ingest_token=None)
    async with world.client() as client:
        problem = require_problem(await client.post(DIAGNOSES, json=a_body()), 503)

    assert "OPERATOR_INGEST_TOKEN" in problem["detail"]


async def test_every_problem_of_a_body_is_told_with_its_place(client: httpx.AsyncClient) -> None:
    body = a_body(severity="Bad", extra=1, recommended_actions=[{"action_name": "x"}])
    del body["timeline"]

    problem = require_problem(await client.post(DIAGNOSES, json=body), 422)

    assert {error["pointer"] for error in problem["errors"]} == {
        "#/severity",
        "#/extra",
        "#/timeline",
        "#/recommended_actions/0/parameters",
        "#/recommended_actions/0/reason",
        "#/recommended_actions/0/expected_outcome",
    }


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b'{"a":1,"a":2}',
        b'{"a":NaN}',
        b'{"a":-Infinity}',
        b'{"a":1e999}',
        b'{"a":99999999999999999999}',
        b'{"a":' + b"9" * 5_000 + b"}",
        b'{"a":"\\ud800"}',
        b'{"\\udfff":1}',
        b'{"a":"\\u0000"}',
        b'{"a":"\xff"}',
        b"[" * 33 + b"]" * 33,
        b"[" * 100_000,
        b'{"a":' * 50_000,
    ],
)
async def test_json_that_is_not_clear_is_refused(client: httpx.AsyncClient, content: bytes) -> None:
    require_problem(await client.post(DIAGNOSES, content=content), 400)


@pytest.mark.parametrize("content", [b"null", b"[]", b'"text"', b"1", b"{}"])
async def test_json_that_is_no_diagnosis_is_refused(client: httpx.AsyncClient, content: bytes) -> None:
    require_problem(await client.post(DIAGNOSES, content=content), 422)


async def test_brackets_inside_texts_do_not_count_as_depth(client: httpx.AsyncClient) -> None:
    response = await client.post(DIAGNOSES, json=a_body(timeline="[" * 100 + '\\"' + "{" * 100))

    assert response.status_code == 202


async def test_a_body_that_is_too_long_is_refused_while_it_still_arrives(world: World) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            sent += 16_384
            yield b" " * 16_384

    app = build_web(world.parts, None)
    received: list[Any] = []
    chunks = endless()

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": await anext(chunks), "more_body": True}

    async def send(message: Any) -> None:
        received.append(message)

    headers = [(b"authorization", AUTHORIZED["Authorization"].encode())]
    scope = {"type": "http", "method": "POST", "path": DIAGNOSES, "query_string": b"", "headers": headers}
    await app(scope, receive, send)

    assert received[0]["status"] == 413
    assert sent <= MAX_BODY + 2 * 16_384


async def test_a_client_that_goes_away_leaves_nothing_behind(world: World, caplog: pytest.LogCaptureFixture) -> None:
    app = build_web(world.parts, None)

    async def receive() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    async def send(_: Any) -> None:
        return

    headers = [(b"authorization", AUTHORIZED["Authorization"].encode())]
    scope = {"type": "http", "method": "POST", "path": DIAGNOSES, "query_string": b"", "headers": headers}
    await app(scope, receive, send)

    assert await world.store.read(lambda reader: reader.diagnosis(1)) is None
    assert [record.message for record in caplog.records if record.levelname == "ERROR"] == []


@pytest.mark.parametrize(
    "headers", [{"Content-Type": "application/x-www-form-urlencoded"}, {"Content-Encoding": "gzip"}]
)
async def test_other_kinds_of_bodies_are_refused(client: httpx.AsyncClient, headers: dict[str, str]) -> None:
    require_problem(await client.post(DIAGNOSES, content=json.dumps(a_body()), headers=headers), 415)


async def test_a_diagnosis_may_name_a_channel_only_from_the_list(world: World, client: httpx.AsyncClient) -> None:
    refused = require_problem(await client.post(DIAGNOSES, json=a_body(channel="C0OTHER")), 422)
    taken = await client.post(DIAGNOSES, json=a_body(channel="C0INCIDENT"))

    assert refused["errors"][0]["pointer"] == "#/channel"
    stored = await world.store.read(lambda reader: reader.diagnosis(taken.json()["diagnosis_id"]))
    assert stored is not None
    assert stored.channel == "C0INCIDENT"


async def test_nobody_outside_can_pose_as_one_of_our_rules(client: httpx.AsyncClient) -> None:
    require_problem(await client.post(DIAGNOSES, json=a_body(source="rule:nospace")), 422)


async def test_an_unknown_subject_is_refused_and_nothing_is_stored(world: World, client: httpx.AsyncClient) -> None:
    problem = require_problem(await client.post(DIAGNOSES, json=a_body(subject="rock")), 404)

    assert "Configured: rack" in problem["detail"]
    assert await world.store.read(lambda reader: reader.diagnosis(1)) is None


async def test_a_flood_is_held_back_and_told_when_to_come_again() -> None:
    world = await build(limits=Limits(diagnoses_per_minute=2))
    async with world.client() as client:
        taken = [(await client.post(DIAGNOSES, json=a_body(target=str(n)))).status_code for n in range(2)]
        refused = await client.post(DIAGNOSES, json=a_body(target="c"))
        world.clock.advance(int(refused.headers["retry-after"]))
        again = await client.post(DIAGNOSES, json=a_body(target="c"))

    assert taken == [202, 202]
    require_problem(refused, 429)
    assert again.status_code == 202


async def test_few_diagnoses_are_taken_in_at_once_some_wait_in_order_and_the_rest_is_told_to_come_again() -> None:
    world = await build(limits=Limits(diagnoses_per_minute=1_000))
    busy, order, released = list[str](), list[str](), asyncio.Event()

    class Slow:
        async def submit(self, submission: Submission) -> Receipt:
            busy.append(submission.target)
            assert len(busy) <= AT_ONCE
            await released.wait()
            busy.remove(submission.target)
            order.append(submission.target)
            return await world.parts.intake.submit(submission)

    app, most = build_web(replace(world.parts, intake=Slow()), None), AT_ONCE + WAITING
    async with world.client(app) as client, asyncio.TaskGroup() as together:
        tasks = [
            together.create_task(client.post(DIAGNOSES, json=a_body(target=f"t{number}"))) for number in range(most + 5)
        ]
        refused = [await task for task in tasks[most:]]
        released.set()

    assert {(answer.status_code, answer.headers["retry-after"]) for answer in refused} == {(429, "1")}
    assert [task.result().status_code for task in tasks[:most]] == [202] * most
    assert order == [f"t{number}" for number in range(most)]


@pytest.mark.parametrize(
    ("error", "status"), [(StorageError("The database is locked."), 503), (OverloadedError("Too much waits."), 429)]
)
async def test_a_database_that_cannot_take_it_says_so_and_when_to_try_again(
    world: World, client: httpx.AsyncClient, error: OperatorError, status: int
) -> None:
    world.store.error = error

    response = await client.post(DIAGNOSES, json=a_body())

    assert require_problem(response, status)["detail"] == str(error)
    assert response.headers["retry-after"]


async def test_actions_are_listed_newest_first_in_pages(world: World, client: httpx.AsyncClient) -> None:
    ids = [await world.rig.propose(item) for item in "abcde"]

    seen: list[int] = []
    before = ""
    while True:
        page = (await client.get(f"/api/v1/actions?limit=2{before}")).json()
        seen += [action["id"] for action in page["actions"]]
        if page["next_before"] is None:
            break
        before = f"&before={page['next_before']}"

    assert seen == ids[::-1]


async def test_actions_are_filtered(world: World, client: httpx.AsyncClient) -> None:
    first, second = await world.rig.propose("a"), await world.rig.propose("b")
    await world.rig.executor.cancel_proposal(first, by=ANN)

    async def listed(query: str) -> list[int]:
        return [action["id"] for action in (await client.get(f"/api/v1/actions?{query}")).json()["actions"]]

    assert await listed("status=cancelled") == [first]
    assert await listed("status=cancelled&status=validated") == [second, first]
    assert await listed("status=cancelled,validated&subject=rack") == [second, first]
    assert await listed("subject=rock") == []


@pytest.mark.parametrize(
    "query", ["status=done", "limit=0", "limit=201", "limit=x", "before=-1", "order=asc", "limit=²"]
)
async def test_other_filters_are_refused(client: httpx.AsyncClient, query: str) -> None:
    require_problem(await client.get(f"/api/v1/actions?{query}"), 422)


async def test_an_action_has_exactly_the_promised_fields(world: World, client: httpx.AsyncClient) -> None:
    proposal_id = await world.rig.approved("a")
    await world.rig.executor.execute_proposal(proposal_id)

    shown = (await client.get(f"/api/v1/actions/{proposal_id}")).json()

    assert set(shown) == FIELDS
    assert shown["status"] == ActionStatus.COMPLETED
    assert shown["approvals"][0]["person"] == "ann"
    assert shown["record"]["steps"] == [{"name": "touch", "state": "done", "detail": ""}]
    assert [line["event"] for line in shown["audit"]] == [
        "proposed", "validated", "approved", "executing", "completed",
    ]  # fmt: skip
    proposal = await world.store.read(lambda reader: reader.proposal(proposal_id))
    assert proposal is not None
    assert proposal.token not in json.dumps(shown)
    assert proposal.button_hash not in json.dumps(shown)


@pytest.mark.parametrize("word", ["7", "x", "-1", "1e3", "99999999999999999999", "%00"])
async def test_an_action_that_does_not_exist_is_not_found(client: httpx.AsyncClient, word: str) -> None:
    require_problem(await client.get(f"/api/v1/actions/{word}"), 404)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404),
        ("GET", "/api/v1/other", 404),
        ("GET", DIAGNOSES, 405),
        ("DELETE", "/api/v1/actions", 405),
        ("POST", "/healthz", 405),
        ("POST", "/slack/events", 404),
        ("GET", "/%0d%0aSet-Cookie:x", 404),
    ],
)
async def test_unknown_routes_and_methods_are_problems_too(
    client: httpx.AsyncClient, method: str, path: str, status: int
) -> None:
    require_problem(await client.request(method, path), status)


async def test_without_a_signing_secret_slacks_path_says_why_it_is_closed(client: httpx.AsyncClient) -> None:
    assert "SLACK_SIGNING_SECRET" in (await client.post("/slack/events")).json()["detail"]


async def test_a_press_goes_straight_to_slacks_handler(world: World) -> None:
    async def slack(scope: Any, receive: Any, send: Any) -> None:
        await PlainTextResponse(scope["path"])(scope, receive, send)

    async with world.client(build_web(world.parts, slack)) as client:
        pressed = await client.post("/slack/events", content=b"payload=")
        looked = await client.get("/slack/events")

    assert pressed.text == "/slack/events"
    require_problem(looked, 404)


async def test_every_answer_carries_the_headers_that_keep_browsers_out(client: httpx.AsyncClient) -> None:
    for response in (await client.get("/healthz"), await client.get("/nothing"), await client.post(DIAGNOSES)):
        assert response.headers["x-content-type-options"] == "nosniff"
        assert response.headers["cache-control"] == "no-store"
        assert response.headers["content-security-policy"].startswith("default-src 'none'")


async def test_a_bug_is_answered_without_its_traceback_and_can_be_found_in_the_log(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(_: Request) -> Response:
        raise ZeroDivisionError("secret detail")

    app = build_web(world.parts, None, routes=[Route("/broken", broken)])
    async with world.client(app) as client:
        response = await client.get("/broken")

    problem = require_problem(response, 500)
    assert "secret detail" not in response.text
    reference = problem["detail"].removeprefix("This is a fault of ours. It is in the log as ").rstrip(".")
    assert [record.__dict__["reference"] for record in caplog.records if "reference" in record.__dict__] == [reference]


async def test_the_process_is_alive_even_if_the_database_is_not(world: World, client: httpx.AsyncClient) -> None:
    world.store.error = StorageError("The database is locked.")

    assert (await client.get("/healthz")).status_code == 200


async def test_it_is_ready_only_if_nothing_is_in_the_way(world: World) -> None:
    troubles: list[str] = []
    async with world.client(build_web(world.parts, None, ready=lambda: troubles)) as client:
        assert (await client.get("/readyz")).json() == {"status": "ready"}

        world.store.error = StorageError("The database is locked.")
        world.kill_files.drop()
        troubles.append("Delivery is silent.")
        problem = require_problem(await client.get("/readyz"), 503)

    assert [error["detail"] for error in problem["errors"]] == [
        "The database is locked.",
        "This host is held back by kill-1; `operator actions mode execute` lifts it.",
        "Delivery is silent.",
    ]


async def test_health_needs_no_token(world: World) -> None:
    async with world.client(Authorization="") as client:
        assert (await client.get("/healthz")).status_code == 200
        assert (await client.get("/readyz")).status_code == 200


def _subclasses(kind: type[OperatorError]) -> Iterator[type[OperatorError]]:
    yield kind
    for below in kind.__subclasses__():
        yield from _subclasses(below)


@pytest.mark.parametrize("kind", list(_subclasses(OperatorError)))
def test_every_error_has_a_status_of_its_family(kind: type[OperatorError]) -> None:
    error = kind.__new__(kind)
    families: dict[type[OperatorError], set[int]] = {
        errors.NotAllowedError: {403},
        errors.NotFoundError: {404},
        errors.ConflictError: {409},
        errors.BadRequestError: {400, 422},
        errors.UnavailableError: {503, 429},
        errors.ConfigurationError: {503},
    }

    expected = next((statuses for family, statuses in families.items() if isinstance(error, family)), {500})

    assert status_of(error) in expected
    assert inspect.getdoc(kind)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)
BENT = st.tuples(st.sampled_from(sorted(a_body())), JSON).map(lambda change: a_body(**{change[0]: change[1]}))
RECOMMENDED = st.lists(
    st.fixed_dictionaries(
        {
            "action_name": st.sampled_from(["rack.touch", "rack.crush", "x"]),
            "parameters": st.dictionaries(st.sampled_from(["item", "mark", "force"]), JSON),
            "reason": st.text(),
            "expected_outcome": st.text(),
        }
    ),
    max_size=3,
).map(lambda recommended: a_body(recommended_actions=recommended))
BODIES = st.binary() | (JSON | BENT | RECOMMENDED).map(lambda value: json.dumps(value).encode())


@hypothesis_settings(max_examples=300)
@given(content=BODIES, key=st.none() | st.binary(max_size=300))
def test_garbage_is_refused_and_never_a_fault_of_ours(content: bytes, key: bytes | None) -> None:
    async def post() -> int:
        world = await build()
        headers = [] if key is None else [(b"Idempotency-Key", key)]
        async with world.client() as client:
            return (await client.post(DIAGNOSES, content=content, headers=headers)).status_code

    assert asyncio.run(post()) < 500
