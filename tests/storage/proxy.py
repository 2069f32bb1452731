"""A way to the database that can be cut at the worst moment: while a COMMIT is on it."""

import contextlib
import select
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from pathlib import Path

COMMIT = b"COMMIT\0"


class Cut(Enum):
    """When to cut the line."""

    NEVER = 0
    BEFORE_THE_SERVER_HEARS = 1
    """The server never gets the COMMIT."""
    BEFORE_THE_CLIENT_HEARS = 2
    """The server has done it; its answer is lost."""


class Proxy:
    """Hands bytes on between clients and the server's socket, until it is told to cut; each cut is made once."""

    def __init__(self, server: Path, listening: socket.socket) -> None:
        self._server = server
        self._listening = listening
        self._threads: list[threading.Thread] = []
        self.cut = Cut.NEVER
        self.cuts = 0
        self.refusing_after_a_cut = False

    def serve(self) -> None:
        """Accept connections until the listening socket is shut down."""
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                break
            if self.refusing_after_a_cut and self.cuts:
                client.close()
                continue
            server = socket.socket(socket.AF_UNIX)
            server.connect(str(self._server))
            self._threads.append(threading.Thread(target=self._carry, args=(client, server), daemon=True))
            self._threads[-1].start()
        for thread in self._threads:
            thread.join(timeout=5)

    def _carry(self, client: socket.socket, server: socket.socket) -> None:
        with client, server, contextlib.suppress(OSError):
            while True:
                for one in select.select([client, server], [], [])[0]:
                    said = one.recv(65_536)
                    if not said or (one is client and self._is_to_be_cut(said, server)):
                        return
                    (server if one is client else client).sendall(said)

    def _is_to_be_cut(self, said: bytes, server: socket.socket) -> bool:
        if COMMIT not in said or self.cut is Cut.NEVER:
            return False
        cut, self.cut = self.cut, Cut.NEVER
        self.cuts += 1
        if cut is Cut.BEFORE_THE_CLIENT_HEARS:
            server.sendall(said)
            assert server.recv(65_536)
        return True


@contextmanager
def between(server: Path, folder: Path) -> Iterator[Proxy]:
    """Listen in *folder* as the server does at its own socket."""
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(folder / server.name))
        listening.listen()
        proxy = Proxy(server, listening)
        accepting = threading.Thread(target=proxy.serve, daemon=True)
        accepting.start()
        yield proxy
        listening.shutdown(socket.SHUT_RDWR)
        accepting.join(timeout=10)
