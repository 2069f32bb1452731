"""`operator propose`: the same door as the HTTP interface, for whoever is on this host."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from actions.agent.intake import Receipt
from actions.canonical import Json
from actions.errors import BadRequestError
from actions.models import Via
from bot.cli.caller import caller, login
from bot.cli.output import clean, literal, note, print_json, say
from bot.ingest import check_body, receipt_json, require_key, submission
from bot.settings import load
from bot.strict_json import read_json
from bot.wiring import opened

MAX_FILE: Final = 256 * 1024


async def propose(
    content: bytes, *, subject: str | None, target: str | None, source: str | None, key: str | None, as_json: bool
) -> int:
    """Store a diagnosis and print what became of each recommendation."""
    settings = load()
    document = _completed(read_json(content), {"subject": subject, "target": target, "source": source})
    body = check_body(document, allowed_channels=settings.allowed_channels)
    by = caller(os.environ)
    handed_in = submission(
        body, via=Via.CLI, key=None if key is None else require_key(key), actor=by.actor, claimed=by.claimed
    )
    async with opened(settings) as parts:
        receipt = await parts.intake.submit(handed_in)
    if as_json:
        print_json(receipt_json(receipt))
    else:
        _tell(receipt)
    return 1 if receipt.refused and not receipt.proposals else 0


def content_of(file: str) -> bytes:
    """Return what is in a file, or on standard input if it is `-`. Raises `BadRequestError`."""
    try:
        if file == "-":
            content = sys.stdin.buffer.read(MAX_FILE + 1)
        else:
            with Path(file).open("rb") as opened_file:
                content = opened_file.read(MAX_FILE + 1)
    except OSError as error:
        raise BadRequestError(f"{file} cannot be read: {error.strerror}.") from error
    if len(content) > MAX_FILE:
        raise BadRequestError(f"{file} is too long; at most {MAX_FILE} bytes fit. Nothing was stored.")
    return content


def _completed(document: Json, given: Mapping[str, str | None]) -> Json:
    if not isinstance(document, Mapping):
        return document
    named = {name: value for name, value in given.items() if value is not None}
    return {"source": f"cli/{login()}"} | dict(document) | named


def _tell(receipt: Receipt) -> None:
    say(f"Diagnosis {receipt.diagnosis.id} is stored.")
    for proposal in receipt.proposals:
        say(
            f"Proposed: action {proposal.id}, {literal(proposal.action_name)} on {literal(proposal.target)}, is "
            f"{proposal.status.value}. See: operator actions show {proposal.id}"
        )
    for refusal in receipt.refused:
        say(f"Refused: {literal(refusal.action_name)}")
        for error in refusal.errors:
            say(f"  {clean(error)}")
    if not receipt.proposals and not receipt.refused:
        note("it recommends no action")
