"""How the lines of the audit log hang together: each hash covers the line and the hash before it."""

import hashlib
from typing import Final

import orjson

GENESIS: Final = "0" * 64
"""What stands before the first line."""


def link(seq: int, at: int, proposal_id: int | None, event: str, actor: str, via: str, data: str, prev: str) -> str:
    """Return the hash of one line, as 64 hex digits: SHA-256 over the canonical JSON list of the arguments.

    *at* counts microseconds since 1970; *data* is the canonical JSON text as it is stored.
    """
    # A list of plain values has one compact spelling; canonical_json would only look for NaN and unsorted keys.
    return hashlib.sha256(orjson.dumps([seq, at, proposal_id, event, actor, via, data, prev])).hexdigest()
