"""Where files are kept in memory, if this machine has such a place: for tests that must not wait for a disk.

What is there survives the end of any process, as on a disk, but no power cut.
"""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

_MEMORY: Final = Path("/dev/shm")
_ROOM: Final = 2 << 30


def memory() -> str:
    """Return that place, or where temporary files are kept if it has less than 2 GiB to spare."""
    roomy = _MEMORY.is_dir() and shutil.disk_usage(_MEMORY).free > _ROOM
    return str(_MEMORY) if roomy else "/tmp"


@contextmanager
def memory_folder() -> Iterator[Path]:
    """Give a folder there."""
    with tempfile.TemporaryDirectory(prefix="operator-test-", dir=memory(), ignore_cleanup_errors=True) as folder:
        yield Path(folder)
