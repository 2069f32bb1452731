"""Every way in, by every kind of caller, in every status and mode, against a table that was written by hand."""

import logging
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Route

from actions.models import ActionStatus
from bot.ids import Event, Modal, Shortcut
from bot.web_shell import SLACK_PATH, Shell
from tests.bot.authorization import table
from tests.bot.authorization.doors import (
    BEARERS,
    JOBS,
    METHODS,
    OPERATIONS,
    TYPED,
    at_the_core,
    by_http,
    cli_entries,
    from_slack,
    job_names,
    slack_entries,
)
from tests.bot.authorization.kinds import MACHINES, TERMINALS, USERS, Kind, caller
from tests.bot.authorization.world import IDLE, STATES, Seen, State, World, world

ENDED_BY_A_STOP = {ActionStatus.CANCELLED, ActionStatus.EXPIRED}


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> None:
    """Thousands of refusals are thousands of lines."""
    caplog.set_level(logging.CRITICAL)


@pytest.fixture
async def built(tmp_path: Path) -> AsyncIterator[World]:
    async with world(tmp_path) as made:
        yield made


class Verdicts:
    """Counts cases, and keeps what should not have been."""

    def __init__(self) -> None:
        self.cases = 0
        self.allowed = 0
        self.wrong: list[str] = []

    def judge(self, case: str, expected: Sequence[str], done: Sequence[str], seen: Seen) -> None:
        """Compare what a caller brought about with the table; where that is nothing, nothing else may have changed."""
        self.cases += 1
        self.allowed += bool(expected)
        if tuple(done) != tuple(expected):
            self.wrong.append(
                f"{case}: expected {list(expected) or 'nothing'}, and there was {list(done) or 'nothing'}"
            )
        elif not expected:
            self.wrong += [f"{case}: {problem}" for problem in changes_in(seen)]

    def report(self, what: str) -> None:
        print(f"\n{what}: {self.cases:,} cases, {self.allowed:,} of them allowed, {len(self.wrong)} unexpected")  # noqa: T201 - the count is what is to be read
        assert self.wrong[:20] == []


def changes_in(seen: Seen) -> list[str]:
    """Say what a caller who may nothing has changed all the same."""
    before, after = seen.before, seen.after
    moved = {
        after.proposals[number].status for number, old in before.proposals.items() if after.proposals[number] != old
    }
    checks = {
        "a decision was written down": seen.decided == [],
        "an approval was counted": after.approvals == before.approvals,
        "the mode was changed": after.controls == before.controls,
        "something was proposed": after.proposals.keys() == before.proposals.keys(),
        "the action went on": moved <= ENDED_BY_A_STOP,
        "it was attempted": after.records == before.records,
    }
    return [problem for problem, held in checks.items() if not held]


async def test_from_slack_exactly_those_may_whom_the_table_names(built: World) -> None:
    verdicts = Verdicts()
    for entry, row in table.SLACK.items():
        for kind in USERS:
            for state in STATES:
                built.put(state)
                before = built.store.tables
                await from_slack(built, entry, kind)
                seen = built.seen_since(before)
                done = seen.by_user(USERS[kind])
                verdicts.judge(
                    f"{entry}, {kind.value}, {state.status}, {state.mode}",
                    row.expected(kind, state.status, state.mode),
                    done,
                    seen,
                )
    assert built.target.ledger.total() == 0
    verdicts.report("Slack")


async def test_at_the_core_exactly_those_may_whom_the_table_names(built: World) -> None:
    verdicts = Verdicts()
    for operation, row in table.CORE.items():
        for kind in Kind:
            by = caller(kind)
            for state in STATES:
                built.put(state)
                before = built.store.tables
                await at_the_core(built, operation, by)
                seen = built.seen_since(before)
                verdicts.judge(
                    f"{operation}, {kind.value}, {state.status}, {state.mode}",
                    row.expected(kind, state.status, state.mode),
                    seen.by(str(by.actor)),
                    seen,
                )
    assert built.target.ledger.total() == 0
    verdicts.report("core")


async def test_no_job_decides_anything(built: World) -> None:
    cases, wrong = 0, []
    for name, expected in table.JOBS.items():
        for state in STATES:
            built.put(state)
            before = built.store.tables
            await JOBS[name](built)
            seen = built.seen_since(before)
            cases += 1
            wrote = {event.event for event in seen.events}
            if seen.decided or wrote - {"checkpoint"} != expected.get((state.status, state.mode), set()):
                wrong.append(f"{name}, {state.status}, {state.mode}: {sorted(wrote)}, decided {seen.decided}")
            if built.target.ledger.total() != ("executing" in wrote):
                wrong.append(f"{name}, {state.status}, {state.mode}: {built.target.ledger.total()} effects")
    print(f"\njobs: {cases} cases, {len(wrong)} unexpected")  # noqa: T201 - the count is what is to be read
    assert wrong == []


async def test_over_http_nothing_is_decided_whatever_is_asked_for(built: World) -> None:
    paths = sorted({route.partition(" ")[2] for route in table.HTTP})
    verdicts = Verdicts()
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=built.web), base_url="http://bot") as client:
        for path in paths:
            for method in METHODS:
                for who, bearer in BEARERS.items():
                    for state in STATES:
                        built.put(state)
                        before = built.store.tables
                        status = await by_http(client, method, path, bearer)
                        case = f"{method} {path}, {who}, {state.status}, {state.mode}"
                        expected = http_expected(method, path, who, state)
                        seen = built.seen_since(before)
                        verdicts.judge(
                            case, expected, [one.event for one in seen.events if one.event not in IDLE], seen
                        )
                        if not answer_fits(method, path, who, status):
                            verdicts.wrong.append(f"{case}: answered with {status}")
    assert built.target.ledger.total() == 0
    verdicts.report("HTTP")


def http_expected(method: str, path: str, who: str, state: State) -> tuple[str, ...]:
    taken = (method, path, who) == ("POST", "/api/v1/diagnoses", "ingest")
    if not taken or state.mode not in table.CORE["propose"].modes:
        return ()
    return ("proposed", "validated")


def answer_fits(method: str, path: str, who: str, status: int) -> bool:
    asked = table.HTTP.get(f"{'GET' if method == 'HEAD' else method} {path}")
    if asked is None:
        return 400 <= status < 500
    return status == asked[who] or (path == "/readyz" and status == 503)


def test_every_way_in_from_slack_has_a_row() -> None:
    rows = {*table.SLACK}

    assert {*slack_entries()} <= rows
    assert rows - {*slack_entries()} == {"command mode observe", "command mode execute"}
    assert {f"command {name}" for name in TYPED} == {row for row in rows if row.startswith("command ")}


def test_every_listener_that_is_attached_is_one_of_the_ways_in(built: World) -> None:
    attached = len(built.app._async_listeners)

    buttons = sum(row.startswith("button ") for row in table.SLACK)
    # One for each button, form, event and shortcut, and one for all subcommands; nothing is sent from the details.
    forms = len(Modal) - len({Modal.DETAILS})
    assert attached == buttons + forms + len(Event) + len(Shortcut) + 1


def test_every_operation_of_the_core_and_every_command_has_a_row() -> None:
    assert {*table.CORE} == {*OPERATIONS}
    assert {*table.CLI} == {*cli_entries()}
    assert {*table.CLI.values()} - {""} <= {*table.CORE}


def test_every_route_has_a_row(built: World) -> None:
    shell = built.web
    assert isinstance(shell, Shell)
    assert isinstance(shell._app, Starlette)
    routes = [route for route in shell._app.routes if isinstance(route, Route)]
    assert len(routes) == len(shell._app.routes)

    found = {f"{method} {route.path}" for route in routes for method in (route.methods or set()) - {"HEAD"}}

    assert {*table.HTTP} == found | {f"POST {SLACK_PATH}"}


async def test_every_job_has_a_row(built: World) -> None:
    assert {*table.JOBS} == {*JOBS} == await job_names(built.service)


def test_every_kind_of_caller_comes_from_somewhere() -> None:
    places: list[Any] = [USERS, TERMINALS, MACHINES]

    assert sorted(kind for place in places for kind in place) == sorted(Kind)
