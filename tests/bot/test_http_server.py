"""The server waits for nobody who does not say what he wants."""

import asyncio
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import pytest
from starlette.responses import PlainTextResponse

from bot.http_server import serving

REQUEST = b"GET / HTTP/1.1\r\nHost: bot.example\r\n\r\n"
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@pytest.fixture
async def connected() -> AsyncIterator[Streams]:
    async with serving(PlainTextResponse("here"), host="127.0.0.1", port=0, head_seconds=0.05) as address:
        where = urlsplit(address)
        reader, writer = await asyncio.open_connection(where.hostname, where.port)
        yield reader, writer
        writer.close()
        await writer.wait_closed()


@pytest.mark.parametrize("sent", [b"", b"GET", REQUEST[:-1]])
async def test_who_does_not_send_a_whole_head_is_cut_off(connected: Streams, sent: bytes) -> None:
    reader, writer = connected
    writer.write(sent)

    assert await reader.read() == b""


async def test_who_is_too_slow_the_second_time_is_cut_off_too(connected: Streams) -> None:
    reader, writer = connected
    for _ in range(2):
        writer.write(REQUEST)
        assert (await reader.readuntil(b"here")).startswith(b"HTTP/1.1 200 OK\r\n")
    writer.write(REQUEST[:-1])

    assert await reader.read() == b""


async def test_who_goes_on_sending_what_was_answered_already_is_cut_off(connected: Streams) -> None:
    reader, writer = connected
    writer.write(b"POST / HTTP/1.1\r\nHost: bot.example\r\nContent-Length: 1000000000\r\n\r\n")
    await reader.readuntil(b"here")
    writer.write(b"x" * 99)

    assert await reader.read() == b""
