"""Folders, and the names in them, that outlive a power cut."""

import os
from pathlib import Path
from typing import Final

_OURS_ALONE: Final = 0o700


def make_folder(folder: Path) -> None:
    """Make it (0700), with those that it stands in, where they are missing; what is made is on the disk."""
    new = [name for name in (folder, *folder.parents) if not name.exists()]
    folder.mkdir(mode=_OURS_ALONE, parents=True, exist_ok=True)
    for name in new:
        sync_folder(name.parent)


def sync_folder(folder: Path) -> None:
    """Return once the names that stand in it, and no others, would be found after a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
