"""Who floods the service: a process that sends junk at a steady rate, and diagnoses that are in order."""

import asyncio
import json
import os
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from multiprocessing.connection import Connection
from random import Random
from time import monotonic, time
from typing import Final
from urllib.parse import urlsplit

from tests.bot.submitted import a_body
from tests.prove.overload_parts.service import TOKEN

RATE: Final = 2_000
"""Requests per second."""
CONNECTIONS: Final = 64
STRAGGLERS: Final = 24
"""Connections on which a request comes too slowly."""
PATIENCE: Final = 15.0
_BEARER: Final = ("Authorization", f"Bearer {TOKEN}")
_FORM: Final = ("Content-Type", "application/x-www-form-urlencoded")


@dataclass
class Flood:
    """What was sent, and what came of it."""

    answers: Counter[str] = field(default_factory=Counter)
    """By kind and status."""
    accepted: list[str] = field(default_factory=list)
    """Idempotency keys of diagnoses that were taken in."""
    faults: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0

    @property
    def sent(self) -> int:
        """Return how many requests were answered."""
        return self.answers.total()


def flood(connection: Connection, seed: str) -> None:
    """Wait to be told where to; flood it until told anything more; say what came of it: a `Flood`."""
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    address, rate = connection.recv()
    connection.send(asyncio.run(_Junk(address, Random(seed), rate).flood(connection)))


class _Junk:
    def __init__(self, address: str, random: Random, rate: int) -> None:
        where = urlsplit(address)
        self._host, self._port = str(where.hostname), where.port
        self._random = random
        self._rate = rate
        self._numbers = count()
        self._began = monotonic()
        self._over = asyncio.Event()
        self._flood = Flood()

    async def flood(self, connection: Connection) -> Flood:
        ending = asyncio.create_task(asyncio.to_thread(connection.recv))
        ending.add_done_callback(lambda _: self._over.set())
        tasks = [asyncio.create_task(self._send()) for _ in range(CONNECTIONS)]
        tasks += [asyncio.create_task(self._straggle(number)) for number in range(STRAGGLERS)]
        await self._over.wait()
        self._flood.seconds = monotonic() - self._began
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return self._flood

    async def _send(self) -> None:
        while not self._over.is_set():
            reader, writer = await asyncio.open_connection(self._host, self._port)
            try:
                while True:
                    await self._one(reader, writer)
            except (OSError, EOFError):
                self._flood.faults[ENDED] += 1
            finally:
                writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number = next(self._numbers)
        await asyncio.sleep(max(0.0, self._began + number / self._rate - monotonic()))
        kind, make = self._random.choices(KINDS, WEIGHTS)[0]
        writer.write(make(self._random, number))
        status, headers = await _answer(reader)
        self._flood.answers[f"{kind}: {status}"] += 1
        if kind == DIAGNOSIS and status == 202:
            self._flood.accepted.append(_key(number))
        if status == 429 and b"retry-after" not in headers:
            self._flood.faults["429 without Retry-After"] += 1
        if status >= 500:
            self._flood.faults[f"{kind} answered with {status}"] += 1
        if kind == OVERSIZED or b"connection: close" in headers:
            raise EOFError  # nobody sends so much; whoever goes on is cut off

    async def _straggle(self, number: int) -> None:
        """Let a body, or a head, come too slowly; who is cut off comes again."""
        while True:
            reader, writer = await asyncio.open_connection(self._host, self._port)
            began = monotonic()
            try:
                writer.write(_request("/slack/events", b"x" * 999, _signed_by_nobody(self._random), part=number % 2))
                await asyncio.wait_for(reader.read(1), PATIENCE)
                self._flood.answers["straggling: cut off"] += 1
            except TimeoutError:
                self._flood.answers["straggling: borne with"] += 1
            except OSError:
                self._flood.answers["straggling: cut off"] += 1
            finally:
                writer.close()
            await asyncio.sleep(max(0.0, 1.0 - (monotonic() - began)))


async def _answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    length = head.partition(b"content-length: ")[2].partition(b"\r\n")[0]
    await reader.readexactly(int(length or b"0"))
    return int(head.split(b" ", 2)[1]), head


def _request(path: str, body: bytes, headers: tuple[tuple[str, str], ...], *, part: int = 2, length: int = 0) -> bytes:
    """Return a request; of *part* 0 only a part of its head, of 1 only a part of its body."""
    said = "".join(f"{name}: {value}\r\n" for name, value in headers)
    head = f"POST {path} HTTP/1.1\r\nHost: bot.example\r\n{said}Content-Length: {length or len(body)}\r\n\r\n".encode()
    return (head[:-9], head + body[:9], head + body)[part]


def _signed_by_nobody(random: Random) -> tuple[tuple[str, str], ...]:
    signature = f"v0={random.randbytes(32).hex()}"
    return (_FORM, ("X-Slack-Request-Timestamp", str(int(time()))), ("X-Slack-Signature", signature))


def _forged(random: Random, _: int) -> bytes:
    return _request("/slack/events", b"payload=" + random.randbytes(900), _signed_by_nobody(random))


def _unsigned(random: Random, _: int) -> bytes:
    return _request("/slack/events", b"payload=" + random.randbytes(300), (_FORM,))


def _oversized(random: Random, _: int) -> bytes:
    return _request("/slack/events", b"", _signed_by_nobody(random), length=10**9)


def _deep(_: Random, __: int) -> bytes:
    return _request("/api/v1/diagnoses", b"[" * 20_000, (_BEARER,))


def _stranger(random: Random, _: int) -> bytes:
    token = ("Authorization", f"Bearer {random.randbytes(8).hex()}")
    return _request("/api/v1/diagnoses", json.dumps(a_body()).encode(), (token,))


def _nowhere(random: Random, _: int) -> bytes:
    return _request(f"/{random.randbytes(8).hex()}", b"", ())


def _diagnosis(_: Random, number: int) -> bytes:
    body = json.dumps(a_body(target=f"t{number}")).encode()
    return _request("/api/v1/diagnoses", body, (_BEARER, ("Idempotency-Key", _key(number))))


def _key(number: int) -> str:
    return f"flood-{number}"


DIAGNOSIS: Final = "a diagnosis"
"""One that is in order."""
OVERSIZED: Final = "oversized"
ENDED: Final = "connections that ended"
KINDS: Final[tuple[tuple[str, Callable[[Random, int], bytes]], ...]] = (
    ("unsigned", _unsigned),
    ("forged", _forged),
    (OVERSIZED, _oversized),
    ("deep", _deep),
    ("by a stranger", _stranger),
    ("nowhere", _nowhere),
    (DIAGNOSIS, _diagnosis),
)
WEIGHTS: Final = (25, 25, 3, 7, 10, 5, 25)
