import asyncio
import os
import secrets
import shutil
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from playwright.async_api import Browser, Locator, Page, async_playwright

from bot.demo.cluster import DemoCluster
from bot.demo.config import APP, environment, write_configuration
from bot.demo.page import break_something
from bot.serve import Up, serve
from bot.settings import load
from bot.workspace.server import Workspace, running_workspace

from .stubborn import Stubborn, stubborn_supervisord

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
TOKEN = "an ingest token of the tests"
STUBBORN = """
[subjects.stubborn]
kind = "supervisor"
url = "{url}"
"""


@dataclass(frozen=True, kw_only=True)
class Scene:
    """The bot in this process, between a real cluster and a workspace."""

    cluster: DemoCluster
    workspace: Workspace
    stubborn: Stubborn
    api: httpx.AsyncClient

    async def type(self, text: str, *, user: str = "ann") -> None:
        outcome = await self.workspace.command(user=user, channel="ops", command="/operator", text=text)
        assert outcome.acked, outcome

    async def recommend(self, action: str, **parameters: Any) -> Mapping[str, Any]:
        """Hand in a diagnosis that recommends *action*, as a diagnoser outside would; return the receipt."""
        key = {"Idempotency-Key": secrets.token_hex(8)}
        reply = await self.api.post("/api/v1/diagnoses", json=_diagnosis(action, parameters), headers=key)
        assert reply.status_code == 202, reply.text
        receipt: dict[str, Any] = reply.json()
        return receipt

    async def propose(self, action: str, **parameters: Any) -> int:
        receipt = await self.recommend(action, **parameters)
        (proposal,) = receipt["proposals"]
        assert proposal["status"] == "validated", receipt
        return int(proposal["id"])


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scene(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    directory = tmp_path_factory.mktemp("bot", numbered=True)
    cluster = DemoCluster()
    async with (
        running_workspace(app=APP, extra_panels=[break_something(cluster)]) as workspace,
        cluster,
        stubborn_supervisord() as stubborn,
        _bot(directory, cluster, workspace, stubborn) as up,
        httpx.AsyncClient(base_url=up.address, headers={"Authorization": f"Bearer {TOKEN}"}, trust_env=False) as api,
    ):
        yield Scene(cluster=cluster, workspace=workspace, stubborn=stubborn, api=api)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        launched = await playwright.chromium.launch(executable_path=shutil.which("chromium"), args=ARGUMENTS)
        yield launched
        await launched.close()


@pytest_asyncio.fixture(loop_scope="module")
async def page(browser: Browser, scene: Scene) -> AsyncIterator[Page]:
    """What Ann sees of #ops."""
    async with _looking_at(scene.workspace, browser) as opened:
        yield opened
    for modal in reversed(scene.workspace.modals("ann")):
        await scene.workspace.close_view(user="ann", view_id=modal["id"])


@pytest_asyncio.fixture(loop_scope="module")
async def quiet() -> AsyncIterator[Workspace]:
    """A workspace of its own, to which a test connects an app."""
    async with running_workspace(app=APP, ack_seconds=1.0) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def quiet_page(browser: Browser, quiet: Workspace) -> AsyncIterator[Page]:
    """What Ann sees of #ops there."""
    async with _looking_at(quiet, browser) as opened:
        yield opened


@asynccontextmanager
async def _looking_at(workspace: Workspace, browser: Browser) -> AsyncIterator[Page]:
    """Nothing may fail on the page and nothing may be refused by its content policy."""
    opened = await browser.new_page(viewport={"width": 1100, "height": 1400})
    opened.set_default_timeout(10_000)
    problems: list[str] = []
    opened.on("pageerror", lambda error: problems.append(str(error)))
    opened.on("console", lambda said: problems.append(said.text) if said.type == "error" else None)
    await opened.goto(f"{workspace.page_url}#as=ann&in=C0OPS")
    yield opened
    await opened.close()
    assert problems == []


@dataclass(frozen=True)
class Shots:
    """Where pictures of what was tested go."""

    directory: Path

    async def take(self, name: str, what: Locator) -> None:
        await what.screenshot(path=self.directory / f"{name}.png")


@pytest.fixture
def shots(tmp_path: Path) -> Shots:
    directory = Path(os.environ.get("OPERATOR_SCREENSHOTS") or tmp_path)
    directory.mkdir(parents=True, exist_ok=True)
    return Shots(directory)


@asynccontextmanager
async def _bot(directory: Path, cluster: DemoCluster, workspace: Workspace, stubborn: Stubborn) -> AsyncIterator[Up]:
    configuration = await asyncio.to_thread(_configuration, directory, cluster, workspace, stubborn)
    variables = environment({}, configuration=configuration, cluster=cluster, workspace=workspace)
    up: asyncio.Future[Up] = asyncio.get_running_loop().create_future()
    stop = asyncio.Event()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (variables | {"OPERATOR_INGEST_TOKEN": TOKEN}).items():
            patch.setenv(name, value)
        serving = asyncio.create_task(serve(load(), stop=stop, on_up=up.set_result))
        serving.add_done_callback(lambda _: up.done() or up.cancel())
        try:
            yield await up
        finally:
            stop.set()
            await serving


def _configuration(directory: Path, cluster: DemoCluster, workspace: Workspace, stubborn: Stubborn) -> Path:
    directory.chmod(0o700)
    path = write_configuration(directory, cluster, workspace)
    with path.open("a", encoding="utf-8") as file:
        file.write(STUBBORN.format(url=stubborn.url))
    return path


def _diagnosis(action: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "subject": action.partition(".")[0],
        "target": parameters["name"],
        "source": "capacity-review",
        "timeline": "Seen during the review of today.",
        "affected_components": [parameters["name"]],
        "metric_readings": {"memory": "91 %"},
        "primary_diagnosis": f"{parameters['name']} holds more memory than it should.",
        "confidence": "likely",
        "supporting_evidence": ["memory grew for six hours", "nothing else on this host grew"],
        "alternatives_considered": [],
        "recommended_action": "Do it while traffic is low.",
        "action_commands": [],
        "severity": "Warning",
        "risks": [],
        "recommended_actions": [
            {
                "action_name": action,
                "parameters": dict(parameters),
                "reason": "Memory is given back by a new process.",
                "expected_outcome": "Memory is back at 40 %.",
                "risks": ["One member is away for some seconds."],
            }
        ],
    }
