"""What a request must be before anything reads it. A refusal is an `HTTPException`, and nothing was stored."""

import asyncio
import hmac
from collections.abc import Mapping
from typing import Final

import orjson
from pydantic import SecretStr
from starlette.datastructures import QueryParams
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from actions.canonical import Json
from bot.settings import Settings

MAX_BODY: Final = 256 * 1024
BODY_SECONDS: Final = 10.0
"""How long a client may take to send its body."""


def require_token(request: Request, settings: Settings) -> None:
    """Return if the request carries the ingest token, else raise `HTTPException` 401, or 503 if none is configured."""
    _require_bearer(request, settings.ingest_token, name="ingest")


def require_admin_token(request: Request, settings: Settings) -> None:
    """Return if the request carries the admin token, else raise `HTTPException` 401, or 503 if none is configured."""
    _require_bearer(request, settings.admin_token, name="admin", so="Nothing was stopped. ")


def _require_bearer(request: Request, wanted: SecretStr | None, *, name: str, so: str = "") -> None:
    if wanted is None:
        variable = f"OPERATOR_{name.upper()}_TOKEN"
        raise HTTPException(
            503, f"{so}This interface is off: set {variable} in the environment of `operator run` to switch it on."
        )
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    same = hmac.compare_digest(token.strip().encode("latin-1"), wanted.get_secret_value().encode())
    if scheme.lower() != "bearer" or not same:
        raise HTTPException(401, f"{so}Send the {name} token: Authorization: Bearer …", {"WWW-Authenticate": "Bearer"})


def require_json(request: Request) -> None:
    """Return if the body says that it is JSON, or says nothing; else raise `HTTPException` 415."""
    kind = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    if not (kind == "application/json" or kind.endswith("+json")):
        raise HTTPException(415, "Send JSON, with Content-Type: application/json.")
    if request.headers.get("content-encoding", "identity") != "identity":
        raise HTTPException(415, "Send the body as it is, without Content-Encoding.")


async def read_capped(request: Request) -> bytes:
    """Return the body, or raise `HTTPException` 413 or 408 as soon as it is too long or too slow."""
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for chunk in request.stream():
                body += chunk
                if len(body) > MAX_BODY:
                    raise HTTPException(413, f"A body may have {MAX_BODY} bytes. Nothing was stored.")
    except TimeoutError:
        raise HTTPException(408, f"The body did not arrive within {BODY_SECONDS:g} s. Nothing was stored.") from None
    return bytes(body)


def number(query: QueryParams, name: str, lowest: int, highest: int) -> int:
    """Return a number from the query, or raise `HTTPException` 422."""
    word = query[name]
    if not is_number(word) or not lowest <= int(word) <= highest:
        raise HTTPException(422, f"{name} must be a whole number from {lowest} to {highest}.")
    return int(word)


def is_number(word: str) -> bool:
    """Return whether *word* is a natural number of a size that ids have."""
    return word.isascii() and word.isdigit() and len(word) <= 16


def answer(document: Mapping[str, Json], *, status: int = 200) -> Response:
    """Return JSON."""
    return Response(orjson.dumps(document), status_code=status, media_type="application/json")
