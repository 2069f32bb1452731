"""A supervisord with one process that starts only if it is told to: it refuses, or breaks off and falls silent."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import Enum, auto
from typing import Any
from xmlrpc import client as xmlrpc

from aiohttp import web

PROCESS = "worker"
NO_FILE = 20


class Mood(Enum):
    """What it does when it is told to start its process."""

    REFUSES = auto()
    BREAKS_OFF = auto()


class Stubborn:
    """What it is up to, and how often it was told to start."""

    def __init__(self) -> None:
        self.mood = Mood.REFUSES
        self.silent = False
        self.pid = 0
        self.started = 0
        self.url = ""

    async def answer(self, request: web.Request) -> web.Response:
        _, method = xmlrpc.loads(await request.text())
        if self.silent:
            raise web.HTTPServiceUnavailable
        if method == "supervisor.getAllProcessInfo":
            return _said(([self._info()],))
        self.started += 1
        if self.mood is Mood.BREAKS_OFF:
            self.silent = True
            assert request.transport is not None
            request.transport.abort()
        return _said(xmlrpc.Fault(NO_FILE, f"NO_FILE: /opt/{PROCESS}"))

    def turn_out_to_run(self) -> None:
        """Answer again, and show that the process was started after all."""
        self.silent = False
        self.pid = 4242

    def start_afresh(self) -> None:
        """Forget everything."""
        self.mood, self.silent, self.pid = Mood.REFUSES, False, 0

    def _info(self) -> dict[str, Any]:
        return {
            "name": PROCESS,
            "group": PROCESS,
            "statename": "RUNNING" if self.pid else "STOPPED",
            "pid": self.pid,
            "start": self.pid,
            "stop": 0,
            "exitstatus": 0,
            "spawnerr": "",
        }


def _said(value: tuple[Any, ...] | xmlrpc.Fault) -> web.Response:
    return web.Response(text=xmlrpc.dumps(value, methodresponse=True), content_type="text/xml")


@asynccontextmanager
async def stubborn_supervisord() -> AsyncIterator[Stubborn]:
    stubborn = Stubborn()
    application = web.Application()
    application.add_routes([web.post("/RPC2", stubborn.answer)])
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        stubborn.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield stubborn
    finally:
        await runner.cleanup()
