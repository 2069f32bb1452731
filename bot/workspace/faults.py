"""What goes wrong on demand: answers of the Web API, connections, and envelopes of Socket Mode."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from enum import StrEnum

ANY_METHOD = "*"


class FaultKind(StrEnum):
    """How a Web API call goes wrong."""

    RATE_LIMITED = "ratelimited"  # 429
    STATUS = "status"  # an HTTP status with a page that is no JSON
    ERROR = "error"  # 200 and {"ok": false}
    RESET = "reset"  # the connection dies without an answer
    HANG = "hang"  # no answer until the fault is cleared
    GARBAGE = "garbage"  # 200 and no JSON


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One scripted fault. With *applied* the method is carried out first, and only its answer is lost."""

    kind: FaultKind
    applied: bool = False
    status: int = 503
    error: str = "internal_error"
    retry_after: str | None = "1"


@dataclass(frozen=True, slots=True)
class _Scripted:
    method: str
    fault: Fault
    times: int | None


class Faults:
    """The script of what goes wrong next; empty to begin with."""

    def __init__(self) -> None:
        self._script: list[_Scripted] = []
        self._released = asyncio.Event()
        self._swallow = 0
        self._duplicate = 0
        self._refused_sockets = 0

    def script(self, method: str, fault: Fault, *, times: int | None = 1) -> None:
        """Let the next *times* calls of *method* (``*`` for any) go wrong; None means until `clear`."""
        self._script.append(_Scripted(method, fault, times))

    def take(self, method: str) -> Fault | None:
        """Return the fault that this call of *method* meets, the one scripted first, and count it."""
        for index, scripted in enumerate(self._script):
            if scripted.method in {method, ANY_METHOD}:
                if scripted.times is not None:
                    self._script[index] = replace(scripted, times=scripted.times - 1)
                self._script = [one for one in self._script if one.times != 0]
                return scripted.fault
        return None

    def swallow_envelopes(self, count: int) -> None:
        """Let the next *count* envelopes get lost on their way to the app."""
        self._swallow += count

    def duplicate_envelopes(self, count: int) -> None:
        """Deliver the next *count* envelopes twice, as happens around a reconnect."""
        self._duplicate += count

    def refuse_sockets(self, count: int) -> None:
        """Answer the next *count* Socket Mode connections with ``too_many_websockets``."""
        self._refused_sockets += count

    def deliveries(self) -> int:
        """Return how often the next envelope is to be sent: 0, 1 or 2."""
        if self._swallow:
            self._swallow -= 1
            return 0
        if self._duplicate:
            self._duplicate -= 1
            return 2
        return 1

    def refuses_socket(self) -> bool:
        """Return whether the connection that is being made is to be refused."""
        if not self._refused_sockets:
            return False
        self._refused_sockets -= 1
        return True

    def clear(self) -> None:
        """Forget everything scripted and let go of what hangs."""
        self._script.clear()
        self._swallow = self._duplicate = self._refused_sockets = 0
        self._released.set()
        self._released = asyncio.Event()

    async def hang(self) -> None:
        """Wait until `clear`."""
        await self._released.wait()

    @contextmanager
    def lasting(self, method: str, fault: Fault) -> Iterator[None]:
        """Let every call of *method* go wrong for the length of a ``with`` block."""
        scripted = _Scripted(method, fault, None)
        self._script.append(scripted)
        try:
            yield
        finally:
            self._script = [one for one in self._script if one is not scripted]
