"""No secret reaches the database, the log or Slack, whatever happens."""

import asyncio
import io
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import httpx
import pytest
from pydantic import SecretStr

from bot.ids import Button
from bot.serve import serve
from bot.settings import Settings
from bot.workspace.delivery import Kind
from bot.workspace.faults import ANY_METHOD, Fault, FaultKind
from bot.workspace.server import Workspace
from tests.bot.running import (
    Bot,
    all_messages,
    built_bot,
    click_payload,
    local_workspace,
    locked,
    running,
    settings_for,
)

INGEST: Final = "ingest-canary-7f3a9c51"
SIGNING: Final = "signing-canary-1b2c3d4e"
PASSWORD: Final = "supervisor-canary-9e8d7c6b"
SUPERVISED: Final = {
    "processes": {
        "kind": "supervisor",
        "url": "http://127.0.0.1:1",
        "username": "ops",
        "password_env": "SUPERVISOR_PASSWORD",
    }
}


@pytest.fixture
def logged() -> Iterator[io.StringIO]:
    """Everything that anybody logs, at every level and with nothing hidden."""
    stream, root = io.StringIO(), logging.getLogger()
    handler, level = logging.StreamHandler(stream), root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield stream
    root.removeHandler(handler)
    root.setLevel(level)


async def test_no_secret_is_stored_logged_or_sent(
    tmp_path: Path, logged: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SUPERVISOR_PASSWORD", PASSWORD)
    async with local_workspace(ack_seconds=0.5) as workspace:
        secrets = [workspace.bot_token, workspace.app_token, SIGNING, INGEST, PASSWORD]
        ours = {"SLACK_SIGNING_SECRET": SecretStr(SIGNING), "OPERATOR_INGEST_TOKEN": SecretStr(INGEST)}
        settings = settings_for(workspace, tmp_path, **ours)
        async with built_bot(workspace, settings, busy_timeout=0.1) as bot, running(bot):
            said = await _everything_goes_wrong(bot, tmp_path)
        watching = settings_for(workspace, tmp_path, agent={"interval": 0.05}, subjects=SUPERVISED, **ours)
        await _serve_until_it_has_looked(watching)
        sinks = {"log": logged.getvalue(), "http": said, "slack": _all_of(workspace)}
    sinks |= _files_of(tmp_path)
    assert {"operator.db", "witness.log", "button.key"} <= sinks.keys()
    assert all(len(sinks[name]) > 1_000 for name in ("log", "http", "slack", "operator.db"))
    found = [(name, secret) for name, text in sinks.items() for secret in secrets if secret in text]
    assert found == []


async def _everything_goes_wrong(bot: Bot, folder: Path) -> str:
    workspace = bot.workspace
    _, card = await bot.offered("a")
    payload = click_payload(workspace, user="ann", card=card, button=Button.APPROVE)
    with workspace.faults.lasting(ANY_METHOD, Fault(kind=FaultKind.ERROR, error="token_revoked")):
        await bot.press(card, Button.CANCEL, by="cy")
    workspace.faults.script(ANY_METHOD, Fault(kind=FaultKind.RESET), times=3)
    await bot.press(card, Button.DETAILS, by="ann")
    await workspace.deliver(Kind.INTERACTIVE, payload | {"actions": None})
    await workspace.deliver(Kind.INTERACTIVE, {})
    with locked(folder):
        await bot.press(card, Button.APPROVE, by="ann")
    for typed in ("status", "mode execute", "explode", "kill-switch over"):
        await bot.type(typed)
    async with httpx.AsyncClient(base_url=bot.address) as browser:
        answers = [
            await browser.get("/readyz"),
            await browser.get("/api/v1/actions", headers={"Authorization": f"Bearer {INGEST}"}),
            await browser.get("/api/v1/actions", headers={"Authorization": "Bearer wrong"}),
            await browser.post("/slack/events", content=b"payload=x", headers={"X-Slack-Signature": SIGNING}),
        ]
    return "\n".join(f"{answer.status_code} {answer.headers} {answer.text}" for answer in answers)


async def _serve_until_it_has_looked(settings: Settings) -> None:
    looked = _Heard("cannot be observed")
    logging.getLogger("actions").addHandler(looked)
    await serve(settings, stop=looked.event)
    logging.getLogger("actions").removeHandler(looked)


class _Heard(logging.Handler):
    """Knows when something has been logged."""

    def __init__(self, words: str) -> None:
        super().__init__()
        self.event = asyncio.Event()
        self._words = words

    def emit(self, record: logging.LogRecord) -> None:
        if self._words in record.getMessage():
            self.event.set()


def _files_of(folder: Path) -> dict[str, str]:
    return {path.name: path.read_bytes().decode("latin-1") for path in folder.rglob("*") if path.is_file()}


def _all_of(workspace: Workspace) -> str:
    views = [workspace.home("ann"), *workspace.modals("ann")]
    ephemerals = [workspace.ephemerals("ops", user=user) for user in ("ann", "cy")]
    return json.dumps([list(workspace.calls), list(all_messages(workspace)), views, ephemerals])
