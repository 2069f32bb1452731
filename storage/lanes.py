"""What waits for the writer: two lanes, so that a click or a kill does not wait behind a flood of alerts."""

import queue
from collections import deque
from collections.abc import Iterator
from typing import Final

from storage.handover import Request

BATCH: Final = 256
"""How many units of work share one commit at most."""
BESIDE_URGENT: Final = 16
"""How many that can wait share a commit with urgent ones: few, so as to be quick; some, so that they too go on."""


class Lanes:
    """Two queues, filled from any thread and emptied by one. The order within a lane is the order of arrival."""

    def __init__(self, *, limit: int) -> None:
        self._limit = limit
        self._urgent: deque[Request] = deque()
        self._patient: deque[Request] = deque()
        # One token for each request, put after it: whoever holds a token finds a request, unless it is the last one.
        self._tokens: queue.SimpleQueue[None] = queue.SimpleQueue()

    def put(self, request: Request) -> bool:
        """Let it wait in its lane; False if that lane is full."""
        lane = self._urgent if request.urgent else self._patient
        if len(lane) >= self._limit:
            return False
        lane.append(request)
        self._tokens.put(None)
        return True

    def close(self) -> None:
        """Let `take` return None once everything is taken. Nothing may be put afterwards."""
        self._tokens.put(None)

    def take(self) -> Request | None:
        """Return the next, urgent ones first, as soon as there is one; None when all is taken and closed."""
        self._tokens.get()
        return self._next()

    def batch(self, first: Request) -> Iterator[Request]:
        """Yield what shares a commit with *first*: looked for one by one, so that an urgent one is never far behind."""
        urgent = patient = 0
        request: Request | None = first
        while request is not None:
            yield request
            urgent, patient = urgent + request.urgent, patient + (not request.urgent)
            if urgent + patient == BATCH:
                return
            request = self.take_waiting(urgent_only=urgent > 0 and patient >= BESIDE_URGENT)

    def take_waiting(self, *, urgent_only: bool = False) -> Request | None:
        """Return the next if there is one already."""
        if urgent_only and not self._urgent:
            return None
        try:
            self._tokens.get_nowait()
        except queue.Empty:
            return None
        found = self._next()
        if found is None:
            self._tokens.put(None)  # closing comes after what waits
        return found

    def _next(self) -> Request | None:
        for lane in (self._urgent, self._patient):
            if lane:
                return lane.popleft()
        return None
