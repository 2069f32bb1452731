"""Hearing of what other processes commit, so that nobody has to wait for the next look at the database."""

import asyncio
import logging
import threading
from typing import Final

from actions.ports import Publisher
from storage.database import Database, Watch

_LISTEN: Final = 0.2
"""Seconds until it is seen that nobody wants to hear anything any more, and between two looks at a file."""
_AGAIN: Final = 2.0
"""Seconds until a database that cannot be watched is tried again; until then everybody looks at their own pace."""

log = logging.getLogger(__name__)


class News:
    """Calls a publisher, in the event loop that made this, until `close`."""

    def __init__(self, database: Database, publisher: Publisher) -> None:
        self._database = database
        self._publisher = publisher
        self._loop = asyncio.get_running_loop()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="storage-news", daemon=True)

    def start(self) -> None:
        """Begin to listen."""
        self._thread.start()

    def close(self) -> None:
        """Stop listening. Blocks for a moment."""
        self._closing.set()
        self._thread.join()

    def _serve(self) -> None:
        while not self._closing.is_set():
            try:
                self._listen()
            except Exception as error:  # noqa: BLE001 - boundary: whatever keeps it from listening may pass
                log.warning("cannot hear of other processes' changes: %s", self._database.translated(error))
                self._closing.wait(_AGAIN)

    def _listen(self) -> None:
        watch: Watch = self._database.watch()
        try:
            self._tell()  # what was committed before it began to watch
            while not self._closing.is_set():
                if watch.heard(within=_LISTEN):
                    self._tell()
        finally:
            watch.close()

    def _tell(self) -> None:
        self._loop.call_soon_threadsafe(self._publisher.changed)
