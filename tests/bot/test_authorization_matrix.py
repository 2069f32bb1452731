"""Every way in, by every kind of caller, wherever an action can stand in any mode, against a table written by hand."""

import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Route

from actions.models import ActionStatus, Via
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
from tests.bot.authorization.world import IDLE, STATES, Mode, Seen, World, world

ENDED_BY_A_STOP = {ActionStatus.CANCELLED, ActionStatus.EXPIRED}
MOST_PERMISSIVE: Final = tuple(state for state in STATES if state.mode is Mode.EXECUTE)
"""Where what decides nothing is tried: a mode only ever takes away."""
CASES: Final[Mapping[str, int]] = {
    "button": 14_625,
    "form": 19_125,
    "closed": 3_750,
    "command": 19_875,
    "event": 375,
    "shortcut": 375,
    "forms that open": 330,
    "core": 57_600,
    "jobs": 1_875,
    "HTTP": 5_100,
}
"""How many there are, 123,030 in all, so that none goes missing unnoticed."""


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
        assert self.cases == CASES[what]


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
        "a review was opened or closed": after.reviews == before.reviews,
        "a reminder was put off": after.reminders == before.reminders or moved != set(),
        "somebody's word for lifting a stop was taken": after.lifted == before.lifted,
    }
    return [problem for problem, held in checks.items() if not held]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("way", ["button", "form", "closed", "command", "event", "shortcut"])
async def test_from_slack_exactly_those_may_whom_the_table_names(built: World, way: str) -> None:
    verdicts = Verdicts()
    for entry in [one for one in table.SLACK if one.startswith(f"{way} ")]:
        row = table.SLACK[entry]
        for kind in USERS:
            for state in STATES if row.does else MOST_PERMISSIVE:
                built.put(state)
                before = built.store.tables
                await from_slack(built, entry, kind)
                seen = built.seen_since(before)
                verdicts.judge(
                    f"{entry}, {kind.value}, {state}",
                    row.expected(kind, state.stage, state.mode),
                    seen.by_user(USERS[kind]),
                    seen,
                )
    assert built.target.ledger.total() == 0
    verdicts.report(way)


async def test_a_form_opens_for_exactly_those_who_may_send_it(built: World) -> None:
    verdicts = Verdicts()
    for button, form in table.OPENS.items():
        row = table.SLACK[form]
        for kind in USERS:
            for state in [one for one in MOST_PERMISSIVE if one.stage in row.stages]:
                built.put(state)
                before, built.slack.opened = built.store.tables, 0
                await from_slack(built, button, kind)
                may = row.expected(kind, state.stage, state.mode) != ()
                verdicts.cases += 1
                verdicts.allowed += may
                if built.slack.opened != may:
                    verdicts.wrong.append(f"{button}, {kind.value}, {state}: opened {built.slack.opened}")
                verdicts.wrong += changes_in(built.seen_since(before))
    verdicts.report("forms that open")


@pytest.mark.timeout(300)
async def test_at_the_core_exactly_those_may_whom_the_table_names(built: World) -> None:
    verdicts = Verdicts()
    for operation, row in table.CORE.items():
        for kind in Kind:
            by = caller(kind)
            for state in STATES if row.does else MOST_PERMISSIVE:
                built.put(state)
                before = built.store.tables
                await at_the_core(built, operation, by)
                seen = built.seen_since(before)
                verdicts.judge(
                    f"{operation}, {kind.value}, {state}",
                    row.expected(kind, state.stage, state.mode),
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
            if seen.decided or wrote - {"checkpoint"} != expected.get((state.stage, state.mode), frozenset()):
                wrong.append(f"{name}, {state}: {sorted(wrote)}, decided {seen.decided}")
            if built.target.ledger.total() != ("executing" in wrote):
                wrong.append(f"{name}, {state}: {built.target.ledger.total()} effects")
    print(f"\njobs: {cases:,} cases, {len(wrong)} unexpected")  # noqa: T201 - the count is what is to be read
    assert wrong == []
    assert cases == CASES["jobs"]


@pytest.mark.timeout(300)
async def test_over_http_a_token_opens_one_door_and_nothing_else_is_decided(built: World) -> None:
    paths = sorted({route.partition(" ")[2] for route in table.HTTP})
    verdicts = Verdicts()
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=built.web), base_url="http://bot") as client:
        for path in paths:
            for method in METHODS:
                for who, bearer in BEARERS.items():
                    row = table.DONE_BY_HTTP.get((f"{method} {path}", who), table.READS)
                    for state in STATES if row.does else MOST_PERMISSIVE:
                        built.put(state)
                        before = built.store.tables
                        status = await by_http(client, method, path, bearer)
                        case = f"{method} {path}, {who}, {state}"
                        seen = built.seen_since(before)
                        done = [one.event for one in seen.events if one.event not in IDLE and one.via is Via.HTTP]
                        verdicts.judge(case, row.expected(Kind.INGEST, state.stage, state.mode), done, seen)
                        if not answer_fits(method, path, who, status):
                            verdicts.wrong.append(f"{case}: answered with {status}")
    assert built.target.ledger.total() == 0
    verdicts.report("HTTP")


def answer_fits(method: str, path: str, who: str, status: int) -> bool:
    asked = table.HTTP.get(f"{'GET' if method == 'HEAD' else method} {path}")
    if asked is None:
        return 400 <= status < 500
    return status == asked[who] or (path == "/readyz" and status == 503)


def test_every_way_in_from_slack_has_a_row() -> None:
    rows = {*table.SLACK}

    assert {*slack_entries()} <= rows
    assert rows - {*slack_entries()} == {
        "command mode observe",
        "command mode execute",
        "command mode observe of rack",
        "command mode execute of rack",
        "command kill-switch of rack",
        "command approve TARGET",
        "command approve ANOTHER",
        "form kill_switch.reason of rack",
    }
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

    assert {route.partition(" of ")[0] for route in table.HTTP} == found | {f"POST {SLACK_PATH}"}
    assert {route for route, _ in table.DONE_BY_HTTP} <= {*table.HTTP}


async def test_every_job_has_a_row(built: World) -> None:
    assert {*table.JOBS} == {*JOBS} == await job_names(built.service)


def test_no_case_is_counted_twice_or_left_out() -> None:
    assert sum(CASES.values()) == 123_030
    assert {*CASES} == {row.partition(" ")[0] for row in table.SLACK} | {"forms that open", "core", "jobs", "HTTP"}


def test_every_kind_of_caller_comes_from_somewhere() -> None:
    places: list[Any] = [USERS, TERMINALS, MACHINES]

    assert sorted(kind for place in places for kind in place) == sorted(Kind)


def test_every_stage_is_where_its_name_says(built: World) -> None:
    for state in STATES:
        built.put(state)
        words = state.stage.value.replace(",", "").split()
        assert built.proposal.status in words
