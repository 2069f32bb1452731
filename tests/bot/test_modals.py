import asyncio
import logging
from collections.abc import AsyncIterator

import pytest
from slack_sdk.web.async_client import AsyncWebClient

from actions.errors import StorageError, TargetUnavailableError
from bot.modals import Modals
from bot.views.answer_modal import answer_modal
from bot.views.blocks import View
from bot.views.notice import notice
from bot.workspace.faults import Fault, FaultKind
from bot.workspace.server import Workspace
from tests.bot.running import count, local_workspace

VIEW = answer_modal(notice("Nothing was changed. `/operator status` shows more."), title="Kill switch")


@pytest.fixture
async def workspace() -> AsyncIterator[Workspace]:
    async with local_workspace() as workspace:
        yield workspace


@pytest.fixture
def modals(workspace: Workspace) -> Modals:
    return Modals(AsyncWebClient(token=workspace.bot_token, base_url=workspace.base_url, retry_handlers=[]))


async def test_a_modal_opens_for_whoever_pressed(workspace: Workspace, modals: Modals) -> None:
    modals.open_soon(workspace.state.triggers.issue("U0ANN"), VIEW)
    await modals.drain()

    (modal,) = workspace.modals("ann")
    assert modal["title"]["text"] == "Kill switch"
    assert "/operator status" in str(modal["blocks"])


async def test_somebody_is_told_without_the_outbox(workspace: Workspace, modals: Modals) -> None:
    modals.whisper_soon(channel="C0OPS", user="U0ANN", text="nothing was recorded")
    await modals.drain()

    assert [one["text"] for one in workspace.ephemerals("ops", user="ann")] == ["nothing was recorded"]


@pytest.mark.parametrize(
    ("fault", "logged"),
    [
        (Fault(kind=FaultKind.ERROR, error="expired_trigger_id"), "a modal could not be opened: expired_trigger_id"),
        (Fault(kind=FaultKind.STATUS, status=503), "a modal could not be opened: http_503"),
        (Fault(kind=FaultKind.GARBAGE), "a modal could not be opened: http_200"),
        (Fault(kind=FaultKind.RESET), "a modal could not be opened: ServerDisconnectedError"),
    ],
)
async def test_what_slack_does_not_show_is_one_line_in_the_log_and_nobodys_failure(
    workspace: Workspace, modals: Modals, fault: Fault, logged: str, caplog: pytest.LogCaptureFixture
) -> None:
    workspace.faults.script("views.open", fault)

    modals.open_soon(workspace.state.triggers.issue("U0ANN"), VIEW)
    await modals.drain()

    assert [record.message for record in caplog.records if record.levelno >= logging.WARNING] == [logged]


async def test_a_fault_of_our_own_is_logged_and_the_rest_is_still_waited_for(
    workspace: Workspace, modals: Modals, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken() -> object:
        raise LookupError("a bug")

    modals._start(broken(), "it could not be shown")
    modals.whisper_soon(channel="C0OPS", user="U0ANN", text="the rest")
    await modals.drain()

    assert [record.message for record in caplog.records if record.exc_info] == ["it could not be shown"]
    assert len(workspace.ephemerals("ops", user="ann")) == 1


async def test_what_takes_time_is_put_in_the_place_of_what_was_opened_at_once(
    workspace: Workspace, modals: Modals
) -> None:
    ready = asyncio.Event()

    async def read() -> View:
        await ready.wait()
        return answer_modal(notice("It would take 3 s."))

    modals.open_and_follow(workspace.state.triggers.issue("U0ANN"), VIEW, read)
    await workspace.until(lambda: bool(workspace.modals("ann")))
    ready.set()
    await modals.drain()

    (modal,) = workspace.modals("ann")
    assert "It would take 3 s." in str(modal["blocks"])


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (TargetUnavailableError("etcd did not answer"), "etcd did not answer"),
        (LookupError("a bug: xoxb-not-for-slack"), "Something went wrong inside operator-bot"),
    ],
)
async def test_why_there_is_nothing_to_show_is_shown(
    workspace: Workspace, modals: Modals, error: Exception, said: str
) -> None:
    async def read() -> View:
        raise error

    modals.open_and_follow(workspace.state.triggers.issue("U0ANN"), VIEW, read)
    await modals.drain()

    (modal,) = workspace.modals("ann")
    assert said in str(modal["blocks"])
    assert "xoxb" not in str(modal)


async def test_who_closes_the_modal_before_there_is_anything_is_left_alone(
    workspace: Workspace, modals: Modals, caplog: pytest.LogCaptureFixture
) -> None:
    async def read() -> View:
        (modal,) = workspace.modals("ann")
        await workspace.close_view(user="ann", view_id=modal["id"])
        return VIEW

    modals.open_and_follow(workspace.state.triggers.issue("U0ANN"), VIEW, read)
    await modals.drain()

    assert workspace.modals("ann") == []
    assert [record.message for record in caplog.records if record.levelno >= logging.WARNING] == []


async def test_a_home_that_cannot_be_drawn_is_one_line_in_the_log(
    workspace: Workspace, modals: Modals, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken() -> View:
        raise StorageError("The database is locked.")

    modals.redraw_soon("U0ANN", broken)
    await modals.drain()

    assert workspace.home("ann") is None
    assert [record.message for record in caplog.records] == [
        "an App Home could not be redrawn: The database is locked."
    ]


async def test_nothing_that_is_shown_keeps_a_click_waiting(workspace: Workspace, modals: Modals) -> None:
    with workspace.faults.lasting("views.open", Fault(kind=FaultKind.HANG)):
        began = asyncio.get_running_loop().time()
        modals.open_soon(workspace.state.triggers.issue("U0ANN"), VIEW)
        assert asyncio.get_running_loop().time() - began < 0.1
        await workspace.until(lambda: True)
        workspace.faults.clear()
        await modals.drain()
    assert count(workspace, "views.open") <= 1
