"""What an action is given to mark its calls, and ways to cut one off."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from actions.errors import ActionFailedError


class RecordedSteps:
    """Remembers the steps in order."""

    def __init__(self, *, stop_before: str | None = None, die_after: str | None = None) -> None:
        self.done: list[str] = []
        self._stop_before = stop_before
        self._die_after = die_after

    @asynccontextmanager
    async def __call__(self, name: str) -> AsyncIterator[None]:
        if self._stop_before is not None and name.startswith(self._stop_before):
            raise ActionFailedError(f"Stopped before {name}: the kill switch was thrown")
        yield
        self.done.append(name)
        if self._die_after is not None and name.startswith(self._die_after):
            task = asyncio.current_task()
            assert task is not None
            task.cancel()
            await asyncio.sleep(0)
