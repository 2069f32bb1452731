"""Diagnoses from outside, over HTTP or from a file: read strictly, every problem told at once."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Final

from pydantic import StringConstraints, ValidationError

from actions.agent.intake import Receipt, Submission
from actions.canonical import Json, canonical_json
from actions.diagnosis.models import DiagnosisOutput
from actions.errors import BadRequestError
from actions.models import Actor, ActorKind, Caller, Via
from actions.policy import HTTP_ADMIN
from bot.strict_json import read_json

MAX_KEY: Final = 255
_OUTPUT_FIELDS: Final = frozenset(DiagnosisOutput.model_fields)


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with a document."""

    pointer: str
    """Where: a JSON Pointer, such as `/recommended_actions/0/urgency`."""
    detail: str


class BadDiagnosisError(BadRequestError):
    """The document is no diagnosis; every problem is listed."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        listed = "; ".join(f"{problem.pointer or 'the document'}: {problem.detail}" for problem in problems)
        super().__init__(f"This is not a diagnosis that can be taken in, and nothing was stored: {listed}.")
        self.problems = tuple(problems)


class DiagnosisBody(DiagnosisOutput):
    """A diagnosis together with what it is about, who made it, and where it should be shown."""

    subject: Annotated[str, StringConstraints(min_length=1, max_length=63)]
    target: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    source: Annotated[str, StringConstraints(pattern=r"\A[A-Za-z0-9][A-Za-z0-9._@/-]{0,99}\z")]
    """Who diagnosed. Has no colon, so that nothing from outside looks like a rule of ours."""
    channel: Annotated[str, StringConstraints(max_length=100)] | None = None

    @property
    def output(self) -> DiagnosisOutput:
        """The diagnosis alone."""
        return DiagnosisOutput.model_validate({name: getattr(self, name) for name in _OUTPUT_FIELDS})


def read_body(raw: bytes, *, allowed_channels: frozenset[str]) -> DiagnosisBody:
    """Read a whole body.

    Raises:
        BadRequestError: it is not JSON that can mean only one thing.
        BadDiagnosisError: it is, but no diagnosis, or names a channel that is not allow-listed.
    """
    return check_body(read_json(raw), allowed_channels=allowed_channels)


def check_body(document: Json, *, allowed_channels: frozenset[str]) -> DiagnosisBody:
    """Read a whole body that was parsed already. Raises `BadDiagnosisError`."""
    try:
        body = DiagnosisBody.model_validate(document)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False, include_context=False)
        raise BadDiagnosisError(
            [Problem(_pointer(one["loc"]), _detail(one["type"], one["msg"])) for one in found]
        ) from None
    if body.source == HTTP_ADMIN.name:
        raise BadDiagnosisError([Problem("/source", "is what the audit log calls whoever holds the admin token")])
    if body.channel is not None and body.channel not in allowed_channels:
        raise BadDiagnosisError(
            [Problem("/channel", "is not allow-listed; leave it out, or add it to incident_channels")]
        )
    return body


def submission(
    body: DiagnosisBody, *, via: Via, key: str | None, actor: Actor | None = None, claimed: str | None = None
) -> Submission:
    """Return *body* as the intake takes it.

    Args:
        body: what was handed in.
        via: how; keys of different ways never meet.
        key: the idempotency key; None takes the hash of the whole body.
        actor: who handed it in; None is the source that the body names.
        claimed: see `Caller.claimed`.
    """
    return Submission(
        output=body.output,
        subject=body.subject,
        target=body.target,
        source=body.source,
        source_key=f"{via.value}:{key or body_hash(body)}",
        by=Caller(actor=actor or Actor(ActorKind.HTTP, body.source), via=via, claimed=claimed),
        channel=body.channel,
    )


def body_hash(body: DiagnosisBody) -> str:
    """Return what equal bodies have in common, however they were written."""
    return hashlib.sha256(canonical_json(body.model_dump(mode="json"))).hexdigest()


def receipt_json(receipt: Receipt) -> dict[str, Json]:
    """Return what became of a diagnosis."""
    return {
        "diagnosis_id": receipt.diagnosis.id,
        "proposals": [
            {
                "id": proposal.id,
                "action_name": proposal.action_name,
                "target": proposal.target,
                "parameters": proposal.parameters,
                "status": proposal.status.value,
            }
            for proposal in receipt.proposals
        ],
        "refused": [{"action_name": one.action_name, "errors": one.errors} for one in receipt.refused],
    }


def require_key(key: str) -> str:
    """Return an idempotency key if it is one: 1 to 255 printable ASCII characters. Raises `BadRequestError`."""
    if not (0 < len(key) <= MAX_KEY and all("!" <= char <= "~" for char in key)):
        raise BadRequestError(f"The idempotency key must be 1 to {MAX_KEY} printable ASCII characters without spaces.")
    return key


def _pointer(loc: Sequence[int | str]) -> str:
    return "".join(f"/{str(part).replace('~', '~0').replace('/', '~1')}" for part in loc)


def _detail(kind: str, message: str) -> str:
    match kind:
        case "missing":
            return "is missing"
        case "extra_forbidden":
            return "is not known here"
        case _:
            return f"{message[:1].lower()}{message[1:]}"
