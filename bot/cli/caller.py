"""Who runs the command: the operating system's word, not the environment's."""

import os
import pwd
import re
import socket
from collections.abc import Mapping
from typing import Final

from actions.models import Actor, Caller, Via

_CLAIM: Final = re.compile(r"[!-~]{1,100}")


def caller(environ: Mapping[str, str]) -> Caller:
    """Return who asks, with what sudo says of the person behind (recorded, never trusted)."""
    claimed = environ.get("SUDO_USER", "")
    return Caller(
        actor=Actor.cli(login(), socket.gethostname()),
        via=Via.CLI,
        claimed=claimed if _CLAIM.fullmatch(claimed) else None,
    )


def login() -> str:
    """Return the login of this process's user."""
    uid = os.getuid()
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid{uid}"
