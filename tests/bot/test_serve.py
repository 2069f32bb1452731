"""`operator run`: how it refuses to start, what it does at the end, and two of them on one database."""

import asyncio
import os
import signal
import socket
import sqlite3
import threading
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiohttp import web

from actions.errors import ConfigurationError, OperatorError, StorageError, UnavailableError
from actions.models import ActionStatus, FailureOutcome, SafetyMode, SuccessOutcome
from actions.registry import Done
from bot.ids import Button
from bot.serve import Up, serve
from bot.settings import Settings
from bot.workspace.faults import Fault, FaultKind
from bot.workspace.server import Workspace
from tests.bot.running import (
    ANN,
    Bot,
    built_bot,
    count,
    local_workspace,
    pressable,
    running,
    running_bot,
    settings_for,
)
from tests.rig import ANN_CLI, Target


@pytest.fixture
async def workspace() -> AsyncIterator[Workspace]:
    async with local_workspace() as workspace:
        yield workspace


@asynccontextmanager
async def served(settings: Settings) -> AsyncIterator[Up]:
    """`operator run` itself, until the context ends."""
    stop = asyncio.Event()
    up: asyncio.Queue[Up | None] = asyncio.Queue()
    task = asyncio.create_task(serve(settings, stop=stop, on_up=up.put_nowait))
    task.add_done_callback(lambda _: up.put_nowait(None))
    is_up = await up.get()
    if is_up is None:
        await task
        raise AssertionError("it ended by itself")
    try:
        yield is_up
    finally:
        stop.set()
        await task


async def refused(settings: Settings) -> OperatorError:
    """Return why it does not start, having made sure that nothing is left of the attempt."""
    tasks, threads = asyncio.all_tasks(), threading.active_count()
    with pytest.raises(OperatorError) as caught:
        async with asyncio.timeout(10), served(settings):
            pass
    assert asyncio.all_tasks() - tasks == set()
    assert threading.active_count() <= threads + 4, "only asyncio's own pool may have grown"
    assert not any(thread.name.startswith("storage") for thread in threading.enumerate())
    return caught.value


async def test_everything_that_is_missing_is_named_at_once(workspace: Workspace, tmp_path: Path) -> None:
    settings = settings_for(
        workspace, tmp_path, channel=None, SLACK_BOT_TOKEN=None, SLACK_APP_TOKEN=None, SLACK_API_URL=None
    )

    error = await refused(settings)

    assert isinstance(error, ConfigurationError)
    assert all(name in str(error) for name in ("channel", "SLACK_BOT_TOKEN", "SLACK_APP_TOKEN", "SLACK_SIGNING_SECRET"))
    assert not (tmp_path / "operator.db").exists()


@pytest.mark.parametrize(
    ("over", "named"),
    [
        ({"SLACK_BOT_TOKEN": "xoxb-wrong"}, "Slack does not accept SLACK_BOT_TOKEN (invalid_auth)"),
        ({"SLACK_APP_TOKEN": "xapp-wrong"}, "Slack does not accept SLACK_APP_TOKEN (invalid_auth)"),
    ],
)
async def test_a_wrong_token_is_found_at_the_start_and_not_at_the_first_click(
    workspace: Workspace, tmp_path: Path, over: Mapping[str, str], named: str
) -> None:
    error = await refused(settings_for(workspace, tmp_path, **over))

    assert isinstance(error, ConfigurationError)
    assert str(error).startswith(named)
    assert "Copy it anew from api.slack.com/apps" in str(error)
    assert "wrong" not in str(error), "a token was repeated"
    assert not (tmp_path / "operator.db").exists()


async def test_a_slack_that_cannot_be_reached_is_said_with_where_it_was_looked_for(
    workspace: Workspace, tmp_path: Path
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{taken.getsockname()[1]}/api/"
        error = await refused(settings_for(workspace, tmp_path, SLACK_API_URL=nobody))

    assert isinstance(error, UnavailableError)
    assert error.exit_code == 3
    assert f"Slack cannot be reached at {nobody}" in str(error)
    assert "`operator actions …` works on this host" in str(error)


@pytest.mark.parametrize("method", ["auth.test", "apps.connections.open"])
@pytest.mark.parametrize(
    ("fault", "kind", "named"),
    [
        (Fault(kind=FaultKind.RESET), UnavailableError, "Slack cannot be reached"),
        (Fault(kind=FaultKind.STATUS, status=503), UnavailableError, "Slack cannot answer now (http_503)"),
        (Fault(kind=FaultKind.RATE_LIMITED), UnavailableError, "Slack cannot answer now (ratelimited)"),
        (Fault(kind=FaultKind.GARBAGE), ConfigurationError, "is not Slack. Check SLACK_API_URL"),
    ],
)
async def test_what_else_slack_may_answer_at_the_start(
    workspace: Workspace, tmp_path: Path, method: str, fault: Fault, kind: type[OperatorError], named: str
) -> None:
    workspace.faults.script(method, fault, times=None)

    error = await refused(settings_for(workspace, tmp_path))

    assert isinstance(error, kind)
    assert named in str(error)


@pytest.mark.parametrize(
    ("answer", "named"),
    [
        (
            {"text": '{"ok": true, "team_id": "T1", "user_id": "U1"}', "content_type": "application/json"},
            "no bot's token",
        ),
        ({"text": "hello", "content_type": "text/plain"}, "is not Slack"),
        ({"text": '{"ok": tr', "content_type": "application/json"}, "is not Slack"),
    ],
)
async def test_what_is_no_slack_or_no_bot_is_not_served(
    workspace: Workspace, tmp_path: Path, answer: dict[str, Any], named: str
) -> None:
    async def handle(_: web.Request) -> web.Response:
        return web.Response(**answer)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handle)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    address = f"http://127.0.0.1:{runner.addresses[0][1]}"

    error = await refused(settings_for(workspace, tmp_path, SLACK_API_URL=address))

    await runner.cleanup()
    assert isinstance(error, ConfigurationError)
    assert named in str(error)


async def test_a_port_that_is_taken_is_said_and_no_start_is_written_down(workspace: Workspace, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        error = await refused(settings_for(workspace, tmp_path, http={"port": port}))

    assert isinstance(error, ConfigurationError)
    assert str(error) == (
        f"Cannot listen on 127.0.0.1 port {port} (Address already in use). Choose another with --port, or [http] port."
    )
    assert workspace.sockets.open_sockets == 0
    async with built_bot(workspace, settings_for(workspace, tmp_path)) as bot:
        assert await bot.audit("start") == []


async def test_an_address_that_is_not_ours_is_said(workspace: Workspace, tmp_path: Path) -> None:
    error = await refused(settings_for(workspace, tmp_path, http={"host": "192.0.2.1", "port": 0}))

    assert "Cannot listen on 192.0.2.1" in str(error)


def _open_to_others(folder: Path) -> None:
    (folder / "state").mkdir(mode=0o755)


def _a_file(folder: Path) -> None:
    (folder / "state").write_text("no directory")


def _open_key(folder: Path) -> None:
    (folder / "state").mkdir(mode=0o700)
    (folder / "state" / "button.key").write_bytes(b"x" * 32)
    (folder / "state" / "button.key").chmod(0o644)


def _broken_key(folder: Path) -> None:
    (folder / "state").mkdir(mode=0o700)
    (folder / "state" / "button.key").write_bytes(b"short")
    (folder / "state" / "button.key").chmod(0o600)


@pytest.mark.parametrize(
    ("prepare", "named"),
    [
        (_open_to_others, "can be entered by others. Run: chmod 700 "),
        (_a_file, "cannot be made (File exists). Set another one."),
        (_open_key, "button.key is readable by others. Run: chmod 600 "),
        (_broken_key, "button.key is damaged. Remove it and start again"),
    ],
)
async def test_a_state_directory_that_cannot_be_trusted_is_refused(
    workspace: Workspace, tmp_path: Path, prepare: Any, named: str
) -> None:
    prepare(tmp_path)

    error = await refused(settings_for(workspace, tmp_path))

    assert isinstance(error, ConfigurationError)
    assert named in str(error)


async def test_it_comes_up_says_that_it_is_ready_and_writes_down_start_and_stop(
    workspace: Workspace, tmp_path: Path
) -> None:
    settings = settings_for(workspace, tmp_path)
    async with served(settings) as up:
        assert (up.who.team_id, up.who.bot_id) == ("T0LOCAL", "B0LOCAL")
        async with httpx.AsyncClient() as browser:
            assert (await browser.get(f"{up.address}/healthz")).status_code == 200
            assert (await browser.get(f"{up.address}/readyz")).json() == {"status": "ready"}
    assert workspace.sockets.open_sockets == 0

    async with built_bot(workspace, settings) as bot:
        assert [line.event for line in await bot.audit("start", "stop")] == ["start", "stop"]
        assert await bot.read(lambda reader: reader.lease_holder("run", bot.clock.now())) is None
        assert await bot.read(lambda reader: reader.lease_holder("delivery", bot.clock.now())) is None


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_it_in_order(workspace: Workspace, tmp_path: Path, number: signal.Signals) -> None:
    up = asyncio.Event()
    task = asyncio.create_task(serve(settings_for(workspace, tmp_path), on_up=lambda _: up.set()))
    await up.wait()

    os.kill(os.getpid(), number)

    async with asyncio.timeout(5):
        await task
    assert workspace.sockets.open_sockets == 0
    assert signal.getsignal(number) is not signal.SIG_IGN


async def test_a_start_that_is_stopped_meanwhile_ends_without_being_up(workspace: Workspace, tmp_path: Path) -> None:
    stop = asyncio.Event()
    stop.set()
    seen: list[Up] = []

    async with asyncio.timeout(5):
        await serve(settings_for(workspace, tmp_path), stop=stop, on_up=seen.append)

    assert seen == []


async def test_a_token_that_is_revoked_meanwhile_is_seen_at_readyz_until_it_works_again(
    workspace: Workspace, tmp_path: Path
) -> None:
    async with running_bot(workspace, tmp_path) as bot, httpx.AsyncClient(base_url=bot.address) as browser:
        with workspace.faults.lasting("*", Fault(kind=FaultKind.ERROR, error="token_revoked")):
            proposal_id = await bot.propose("a")
            await _answers(browser, 503)
            said = (await browser.get("/readyz")).json()["detail"]
            assert "Slack does not accept the bot's token (token_revoked); see `operator doctor`." in said

        bot.clock.advance(20)
        await bot.card_of(proposal_id)
        await _answers(browser, 200)


async def test_a_worker_that_has_ended_is_seen_at_readyz(workspace: Workspace, tmp_path: Path) -> None:
    async with running_bot(workspace, tmp_path) as bot, httpx.AsyncClient(base_url=bot.address) as browser:
        worker = next(task for task in bot.service._workers if task.get_name() == "dispatcher")
        worker.cancel()
        await asyncio.gather(worker, return_exceptions=True)

        answer = await browser.get("/readyz")

        assert answer.status_code == 503
        assert "The worker `dispatcher` has ended; restart the bot." in answer.json()["detail"]


async def test_what_runs_at_the_end_may_finish_within_its_grace_and_slack_shows_it(
    workspace: Workspace, tmp_path: Path
) -> None:
    target = Target()
    target.hold["a"] = asyncio.Event()
    async with running_bot(workspace, tmp_path, target=target) as bot:
        proposal_id, card = await bot.offered("a")
        await bot.press(card, Button.APPROVE, by="ann")
        await bot.becomes(proposal_id, ActionStatus.EXECUTING)
        bot.stopping.set()
        asyncio.get_running_loop().call_later(0.05, target.hold["a"].set)

    shown = [message["text"] for message in workspace.messages("ops") if not message.get("thread_ts")]
    assert any(text.startswith("Action 1: done and confirmed") for text in shown)
    assert target.ledger["a"] == 1


async def test_an_end_with_the_database_locked_or_slack_away_still_ends(
    workspace: Workspace, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = settings_for(workspace, tmp_path)
    lock = sqlite3.connect(":memory:")

    async def run_and_stop(bot: Bot) -> None:
        nonlocal lock
        async with running(bot):
            await bot.settled()
            with workspace.faults.lasting("*", Fault(kind=FaultKind.RESET)):
                await bot.propose("a")
            lock.close()
            lock = sqlite3.connect(tmp_path / "operator.db", isolation_level=None)
            lock.execute("BEGIN IMMEDIATE")
            bot.stopping.set()

    async with built_bot(workspace, settings, busy_timeout=0.05) as bot:
        with pytest.raises(StorageError, match="locked"):
            await run_and_stop(bot)
        lock.close()

    assert any("the end is not quite in order" in message for message in caplog.messages)
    assert workspace.sockets.open_sockets == 0
    async with built_bot(workspace, settings) as again, running(again, execute=False):
        await again.card_of(1)


async def test_what_was_running_when_the_bot_died_is_unknown_at_once_at_the_next_start(
    workspace: Workspace, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = settings_for(workspace, tmp_path)
    target = Target()
    target.hold["a"], target.began["a"] = asyncio.Event(), asyncio.Event()
    target.blind.add("a")
    async with built_bot(workspace, settings, target=target) as died:
        await died.parts.safety.set_mode(SafetyMode.EXECUTE, by=ANN_CLI, reason="test")
        proposal_id = await died.propose("a")
        await died.parts.executor.approve_proposal(proposal_id, by=ANN)
        running_it = asyncio.create_task(died.parts.executor.execute_proposal(proposal_id))
        await target.began["a"].wait()
        async with built_bot(workspace, settings, target=target) as again, running(again, execute=False):
            assert (await again.proposal(proposal_id)).status is ActionStatus.UNKNOWN
        running_it.cancel()
        await asyncio.gather(running_it, return_exceptions=True)

    assert any("1 actions were running when the bot last stopped" in message for message in caplog.messages)


async def test_clicks_are_recorded_while_what_runs_may_finish(workspace: Workspace, tmp_path: Path) -> None:
    target = Target()
    target.hold["a"] = asyncio.Event()
    async with running_bot(workspace, tmp_path, target=target) as bot:
        proposal_id, card = await bot.offered("a")
        _, other = await bot.offered("b")
        await bot.press(card, Button.APPROVE, by="ann")
        await bot.becomes(proposal_id, ActionStatus.EXECUTING)
        bot.stopping.set()
        assert (await bot.press(other, Button.CANCEL, by="ann")).acked
        assert (await bot.type("kill-switch now", by="ann"))[1].startswith("Stopped.")
        target.hold["a"].set()

    assert target.ledger["b"] == 0


class Applied(Target):
    """Does it, and then takes its time to say so."""

    async def _touch(self, key: str) -> Done:
        self.ledger[key] += 1
        self.began.setdefault(key, asyncio.Event()).set()
        await self.hold[key].wait()
        return Done(detail="touched")


@pytest.mark.parametrize(
    ("target", "settled"),
    [
        (Target(), (ActionStatus.FAILED, FailureOutcome.NO_EFFECT)),
        (Applied(), (ActionStatus.COMPLETED, SuccessOutcome.CONFIRMED)),
    ],
    ids=["it had not happened", "it had happened"],
)
async def test_what_runs_beyond_the_grace_is_unknown_and_settled_by_looking_at_the_next_start(
    workspace: Workspace, tmp_path: Path, target: Target, settled: tuple[ActionStatus, object]
) -> None:
    target.hold["a"], target.began["a"] = asyncio.Event(), asyncio.Event()
    settings = settings_for(workspace, tmp_path, limits={"shutdown_grace": 0.05})
    async with built_bot(workspace, settings, target=target) as bot:
        async with running(bot):
            proposal_id, card = await bot.offered("a")
            await bot.press(card, Button.APPROVE, by="ann")
            await bot.becomes(proposal_id, ActionStatus.EXECUTING)
            await target.began["a"].wait()
        assert (await bot.proposal(proposal_id)).status is ActionStatus.UNKNOWN
        assert (await bot.card_of(proposal_id))["text"].startswith("Action 1: outcome unknown")

    async with built_bot(workspace, settings, target=target) as again, running(again, execute=False):
        ended = await again.becomes(proposal_id, settled[0])
        assert ended.outcome is settled[1]
        says = "done and confirmed" if ended.status is ActionStatus.COMPLETED else "failed, nothing was changed"
        await again.card_of(proposal_id, saying=f"Action 1: {says}")
    assert target.ledger["a"] == (1 if settled[0] is ActionStatus.COMPLETED else 0)


async def test_two_bots_on_one_database_post_every_card_once_and_either_takes_the_clicks(
    workspace: Workspace, tmp_path: Path
) -> None:
    target = Target()
    settings = settings_for(workspace, tmp_path)
    async with (
        built_bot(workspace, settings, target=target, owner="one-host/1/a") as first,
        built_bot(workspace, settings, target=target, owner="another-host/1/b") as second,
        running(first),
        running(second, execute=False),
    ):
        await workspace.until(lambda: workspace.sockets.open_sockets == 4)
        ids = [await (first if number % 2 else second).propose(f"item {number}") for number in range(3)]
        cards = [await first.card_of(proposal_id) for proposal_id in ids]
        await first.until(lambda: all(pressable(first._card(one, "")) for one in ids))
        for card in cards:
            assert (await first.press(card, Button.APPROVE, by="ann")).acked
        for proposal_id in ids:
            await first.card_of(proposal_id, saying="done and confirmed")

        assert count(workspace, "chat.postMessage") == len(workspace.messages("ops"))
        posted = [one for one in workspace.messages("ops") if "operator_card" in str(one.get("metadata"))]
        assert len(posted) == len(ids)
    assert set(target.ledger.values()) == {1}


async def test_when_the_bot_that_delivers_goes_the_other_takes_over(workspace: Workspace, tmp_path: Path) -> None:
    settings = settings_for(workspace, tmp_path)
    async with built_bot(workspace, settings) as first, built_bot(workspace, settings) as second:
        async with running(first):
            proposal_id, _ = await first.offered("a", action="crush")
        async with running(second, execute=False):
            await second.parts.executor.approve_proposal(proposal_id, by=ANN)
            await second.card_of(proposal_id, saying="1 of 2 approvals")


async def _answers(browser: httpx.AsyncClient, status: int) -> None:
    async with asyncio.timeout(10):
        while (await browser.get("/readyz")).status_code != status:
            pass
