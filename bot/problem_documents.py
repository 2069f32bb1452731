"""Errors over HTTP, as RFC 9457 problem documents: what happened, in the same words as everywhere else."""

import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Final

import orjson
from starlette.responses import Response

from actions.canonical import Json
from actions.errors import (
    BadParametersError,
    BadRequestError,
    ConfigurationError,
    ConflictError,
    NotAllowedError,
    NotFoundError,
    OperatorError,
    OverloadedError,
    UnavailableError,
)
from bot.ingest import BadDiagnosisError

MEDIA_TYPE: Final = "application/problem+json"
RETRY_AFTER: Final = "5"
_WORDS: Final = re.compile(r"(?<!^)(?=[A-Z])")


def status_of(error: OperatorError) -> HTTPStatus:  # noqa: PLR0911 - one row per kind of error
    """Return the one status that says what kind of error it is."""
    match error:
        case NotAllowedError():
            return HTTPStatus.FORBIDDEN
        case NotFoundError():
            return HTTPStatus.NOT_FOUND
        case ConflictError():
            return HTTPStatus.CONFLICT
        case BadDiagnosisError() | BadParametersError():
            return HTTPStatus.UNPROCESSABLE_ENTITY
        case BadRequestError():
            return HTTPStatus.BAD_REQUEST
        case OverloadedError():
            return HTTPStatus.TOO_MANY_REQUESTS
        case UnavailableError() | ConfigurationError():
            return HTTPStatus.SERVICE_UNAVAILABLE
        case _:
            return HTTPStatus.INTERNAL_SERVER_ERROR


def problem_of(error: OperatorError) -> Response:
    """Return the document for an error of ours."""
    status = status_of(error)
    headers = {"Retry-After": RETRY_AFTER} if status in {429, 503} else {}
    words = _WORDS.split(type(error).__name__.removesuffix("Error"))
    return problem(
        status,
        str(error),
        kind="-".join(words).lower(),
        title=" ".join(words).capitalize(),
        errors=_errors(error),
        headers=headers,
    )


def problem(
    status: int,
    detail: str,
    *,
    kind: str | None = None,
    title: str | None = None,
    errors: Sequence[Mapping[str, Json]] = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Return a document.

    Args:
        status: the HTTP status.
        detail: what happened here and what to do, for a person.
        kind: the last part of the `type`; None says that the status is all there is to say.
        title: what happens in every such case; None takes the status's own words.
        errors: one object per thing that is wrong.
        headers: more headers.
    """
    document: dict[str, Json] = {
        "type": f"urn:operator-bot:problem:{kind}" if kind else "about:blank",
        "title": title or HTTPStatus(status).phrase,
        "status": int(status),
        "detail": detail,
    }
    if errors:
        document["errors"] = list(errors)
    return Response(orjson.dumps(document), status_code=int(status), media_type=MEDIA_TYPE, headers=dict(headers or {}))


def _errors(error: OperatorError) -> list[Mapping[str, Json]]:
    match error:
        case BadDiagnosisError():
            return [{"pointer": f"#{one.pointer}", "detail": one.detail} for one in error.problems]
        case BadParametersError():
            return [{"detail": text} for text in error.problems]
        case _:
            return []
