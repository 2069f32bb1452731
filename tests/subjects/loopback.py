"""Small servers on the loopback that answer wrongly on purpose."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Server:
    """Where it listens, and the heads of the requests that it got."""

    url: str
    requests: list[str] = field(default_factory=list)


@asynccontextmanager
async def answering(
    answer: Answer, *, reads_head: bool = True, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Server]:
    """Run a server that reads the head of one request of each connection and leaves the rest to *answer*."""
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n") if reads_head else b""
            served.requests.append(head.decode("latin-1"))
            await answer(reader, writer)
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(serve(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=tls)
    scheme = "http" if tls is None else "https"
    served = Server(url=f"{scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    try:
        yield served
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await server.wait_closed()
        await asyncio.gather(*tasks, return_exceptions=True)


def saying(raw: bytes) -> Answer:
    """Answer with these bytes."""

    async def answer(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(raw)
        await writer.drain()

    return answer


def replying(status: str, body: bytes = b"", *headers: str) -> Answer:
    """Answer with a whole HTTP response."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers, "", ""]
    return saying("\r\n".join(lines).encode() + body)


async def saying_nothing(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    """Accept, and never answer."""
    await asyncio.Event().wait()


async def breaking_off(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Reset the connection without an answer."""
    writer.transport.abort()


async def never_ending(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send a body that has no end."""
    writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
    while True:
        writer.write(b"x" * 4096)
        await writer.drain()
