"""Whether the process lives, and whether it can do its work."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from actions.canonical import Json
from actions.errors import StorageError
from actions.models import EVERYTHING
from actions.ports import KillFiles, Store
from bot.problem_documents import problem
from bot.request_guards import answer

READY_SECONDS: Final = 3.0


class Readiness:
    """`/healthz` and `/readyz`."""

    def __init__(self, *, store: Store, kill_files: KillFiles, ready: Callable[[], Sequence[str]]) -> None:
        self._store = store
        self._kill_files = kill_files
        self._ready = ready

    async def alive(self, _: Request) -> Response:
        """Say that the process answers."""
        return answer({"status": "alive"})

    async def ready(self, _: Request) -> Response:
        """Say that it can do its work, or 503 with every reason why not."""
        reasons = [*await self._database(), *self._held_back(), *self._ready()]
        if reasons:
            errors: Sequence[Mapping[str, Json]] = [{"detail": reason} for reason in reasons]
            return problem(503, " ".join(reasons), kind="not-ready", title="Not ready", errors=errors)
        return answer({"status": "ready"})

    async def _database(self) -> list[str]:
        try:
            async with asyncio.timeout(READY_SECONDS):
                # A transaction without a change: it needs the writer and the lock, and costs no flush to disk.
                await self._store.write(lambda tx: tx.lock_control(EVERYTHING))
        except TimeoutError:
            return [f"The database did not answer within {READY_SECONDS:g} s."]
        except StorageError as error:
            return [str(error)]
        return []

    def _held_back(self) -> list[str]:
        held = self._kill_files.present(EVERYTHING)
        return [f"This host is held back by {held[0]}; `operator actions mode execute` lifts it."] if held else []
