"""The stop that works when the database does not: zero-byte files in this host's state directory."""

import contextlib
import os
import re
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Final

from actions.models import EVERYTHING
from actions.ports import Entropy
from storage.folders import sync_folder

_OURS_ALONE: Final = 0o600
_FOLDER: Final = 0o700
_SUBJECT: Final = "@"
"""What stands between the token and the subject in the name of a file that holds one subject back."""
_NAME: Final = re.compile(rf"kill-[0-9a-f]+(?:{_SUBJECT}[a-z0-9_-]+)?")
_UNREADABLE: Final = "unreadable: "


class DirectoryKillFiles:
    """See `actions.ports.KillFiles`. Every method is a few system calls; none waits for anything else."""

    def __init__(self, folder: Path, *, entropy: Entropy) -> None:
        self._folder = folder
        self._entropy = entropy

    def drop(self, scope: str = EVERYTHING) -> str:
        """See `actions.ports.KillFiles.drop`; makes the folder, for this user alone, if it is missing."""
        self._folder.mkdir(mode=_FOLDER, parents=True, exist_ok=True)
        name = f"kill-{self._entropy.token()}{'' if scope == EVERYTHING else f'{_SUBJECT}{scope}'}"
        if not _NAME.fullmatch(name):
            raise ValueError(f"no name of a subject: {scope!r}")
        os.close(os.open(self._folder / name, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, _OURS_ALONE))
        # It stops every claim already. On a healthy disk it outlives a power cut as well; a failing one must not keep
        # anybody from stopping, and then it lasts as long as the machine runs.
        with contextlib.suppress(OSError):
            sync_folder(self._folder)
            sync_folder(self._folder.parent)
        return name

    def present(self, scope: str | None = None) -> Sequence[str]:
        """See `actions.ports.KillFiles.present`."""
        try:
            names = os.listdir(self._folder)  # noqa: PTH208 - a third of the price, on the way of every claim
        except OSError as error:
            return [f"{_UNREADABLE}{self._folder} ({error.strerror})"]
        return sorted(name for name in names if name.startswith("kill-") and _holds_back(name, scope))

    def remove(self, names: Collection[str]) -> None:
        """See `actions.ports.KillFiles.remove`; an unreadable directory stays what it is."""
        for name in names:
            if name.startswith(_UNREADABLE):
                continue
            if not _NAME.fullmatch(name):
                raise ValueError(f"not the name of a kill file: {name!r}")
            (self._folder / name).unlink(missing_ok=True)


def _holds_back(name: str, scope: str | None) -> bool:
    # Whatever names no subject as we write it holds everything back.
    subject = name.partition(_SUBJECT)[2] if _NAME.fullmatch(name) else ""
    return scope is None or not subject or subject == scope
