"""`POST /api/v1/kill-switch`: a program may stop, if it says why and holds the token for that."""

import errno
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from actions.errors import StorageError
from actions.models import EVERYTHING, ActionStatus, SafetyMode
from actions.safety import effective
from bot.request_guards import MAX_BODY
from tests.bot.submitted import a_body
from tests.bot.test_web import ADMIN_TOKEN, TOKEN, World, build, require_problem

KILL_SWITCH = "/api/v1/kill-switch"
LOCKED = StorageError("The database is locked by another connection; nothing was recorded. Try again.")


@pytest.fixture
async def world() -> World:
    return await build()


@pytest.fixture
async def client(world: World) -> AsyncIterator[httpx.AsyncClient]:
    async with world.client(Authorization=f"Bearer {ADMIN_TOKEN}") as client:
        yield client


async def mode(world: World, scope: str = EVERYTHING) -> SafetyMode:
    return (await world.store.read(lambda reader: effective(reader, scope))).mode


async def test_everything_is_stopped_and_the_answer_lists_what_may_still_take_effect(
    world: World, client: httpx.AsyncClient
) -> None:
    waiting = await world.rig.propose("a")
    lost = await world.rig.approved("b")
    world.rig.target.faults["b"] = "lost"
    await world.rig.executor.execute_proposal(lost)

    answer = await client.post(KILL_SWITCH, json={"reason": "the probe sees split brain"})

    assert answer.status_code == 200
    said = answer.json()
    assert {key: said[key] for key in ("recorded", "scope", "cancelled", "problem")} == {
        "recorded": True,
        "scope": "*",
        "cancelled": 1,
        "problem": "",
    }
    (in_flight,) = said["in_flight"]
    assert in_flight == {
        "id": lost,
        "status": "unknown",
        "action_name": "rack.touch",
        "subject": "rack",
        "target": "b",
    }
    line = await world.store.read(lambda reader: reader.audit_event(said["seq"]))
    assert line is not None
    assert (line.event, line.actor, line.via.value) == ("kill_switch", "http:admin", "http")
    assert line.data["reason"] == "the probe sees split brain"
    stopped = await world.store.read(lambda reader: reader.proposal(waiting))
    assert stopped is not None
    assert stopped.status is ActionStatus.CANCELLED


async def test_one_subject_can_be_stopped_alone(world: World, client: httpx.AsyncClient) -> None:
    said = (await client.post(KILL_SWITCH, json={"reason": "because", "subject": "rack"})).json()

    assert said["scope"] == "rack"
    assert (await mode(world), await mode(world, "rack")) == (SafetyMode.EXECUTE, SafetyMode.OBSERVE)


async def test_a_subject_that_is_not_configured_stops_nothing_and_says_what_is(
    world: World, client: httpx.AsyncClient
) -> None:
    problem = require_problem(await client.post(KILL_SWITCH, json={"reason": "because", "subject": "rakc"}), 422)

    assert "Configured: rack, shelf. Nothing was stopped; to stop everything" in problem["detail"]
    assert await mode(world, "rack") is SafetyMode.EXECUTE


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"reason": ""},
        {"reason": " \n"},
        {"reason": None},
        {"reason": 7},
        {"subject": "rack"},
        {"reason": "because", "subjct": "rack"},
        {"reason": "because", "subject": ["rack"]},
        ["because"],
        "because",
    ],
)
async def test_what_does_not_say_what_to_stop_and_why_stops_nothing(
    world: World, client: httpx.AsyncClient, body: Any
) -> None:
    problem = require_problem(await client.post(KILL_SWITCH, json=body), 422)

    assert "Nothing was stopped." in problem["detail"]
    assert await mode(world, "rack") is SafetyMode.EXECUTE


@pytest.mark.parametrize("raw", [b"", b"{", b'{"reason": "a", "reason": "b"}', b'{"reason": "\\ud800"}', b"\xff"])
async def test_what_is_no_json_stops_nothing(world: World, client: httpx.AsyncClient, raw: bytes) -> None:
    require_problem(await client.post(KILL_SWITCH, content=raw), 400)

    assert await mode(world) is SafetyMode.EXECUTE


async def test_a_long_reason_is_cut_and_a_huge_body_refused(world: World, client: httpx.AsyncClient) -> None:
    huge = await client.post(KILL_SWITCH, json={"reason": "x" * MAX_BODY})
    require_problem(huge, 413)
    assert await mode(world) is SafetyMode.EXECUTE

    assert (await client.post(KILL_SWITCH, json={"reason": "x" * 10_000})).status_code == 200
    assert (await world.store.read(lambda reader: reader.control(EVERYTHING))).reason == "x" * 499 + "…"


@pytest.mark.parametrize(
    "authorization",
    ["", "Bearer", "Bearer wrong", f"Bearer {TOKEN}", f"Basic {ADMIN_TOKEN}", f"Bearer {ADMIN_TOKEN}x", "Bearer \xff"],
)
async def test_nobody_stops_anything_without_the_admin_token(world: World, authorization: str) -> None:
    async with world.client() as client:
        headers = {b"Authorization": authorization.encode("latin-1")}
        answer = await client.post(KILL_SWITCH, json={"reason": "because"}, headers=headers)

    problem = require_problem(answer, 401)
    assert problem["detail"] == "Nothing was stopped. Send the admin token: Authorization: Bearer …"
    assert await mode(world) is SafetyMode.EXECUTE


async def test_the_admin_token_opens_nothing_else(client: httpx.AsyncClient) -> None:
    for method, path in (("POST", "/api/v1/diagnoses"), ("GET", "/api/v1/actions"), ("GET", "/api/v1/actions/1")):
        require_problem(await client.request(method, path, json=a_body() if method == "POST" else None), 401)
    for method in ("GET", "PUT", "DELETE", "PATCH"):
        require_problem(await client.request(method, KILL_SWITCH), 405)


async def test_it_is_off_while_no_admin_token_is_configured() -> None:
    world = await build(admin_token=None)
    async with world.client(Authorization="Bearer ") as client:
        problem = require_problem(await client.post(KILL_SWITCH, json={"reason": "because"}), 503)

    assert "OPERATOR_ADMIN_TOKEN" in problem["detail"]
    assert await mode(world) is SafetyMode.EXECUTE


async def test_with_the_database_locked_it_says_that_only_this_host_was_stopped(
    world: World, client: httpx.AsyncClient
) -> None:
    world.store.error = LOCKED

    problem = require_problem(await client.post(KILL_SWITCH, json={"reason": "because"}), 507)

    assert problem["type"] == "urn:operator-bot:problem:kill-file-only"
    assert problem["detail"].startswith("KILL FILE ONLY.")
    for part in ("Other hosts are not stopped", "cannot be listed", "The database is locked"):
        assert part in problem["detail"]
    assert world.kill_files.present() == ["kill-1"]


async def test_with_neither_file_nor_database_it_says_that_nothing_was_stopped(
    world: World, client: httpx.AsyncClient
) -> None:
    world.store.error = LOCKED
    world.rig.safety._kill_files = FullDisk()

    problem = require_problem(await client.post(KILL_SWITCH, json={"reason": "because"}), 503)

    assert problem["type"] == "urn:operator-bot:problem:nothing-stopped"
    assert problem["detail"].startswith("NOTHING WAS STOPPED.")


class FullDisk:
    """Kill files on a disk that is full."""

    def drop(self, scope: str = EVERYTHING) -> str:
        raise OSError(errno.ENOSPC, "No space left on device", scope)

    def present(self, scope: str | None = None) -> list[str]:  # noqa: ARG002 - the signature of kill files
        return []

    def remove(self, names: object) -> None:
        assert not names


async def test_nobody_hands_in_a_diagnosis_under_the_name_of_the_admin(world: World) -> None:
    async with world.client() as client:
        problem = require_problem(await client.post("/api/v1/diagnoses", json=a_body(source="admin")), 422)

    assert problem["errors"][0]["pointer"] == "#/source"
