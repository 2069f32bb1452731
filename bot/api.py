"""`/api/v1`: diagnoses in, actions out; for whoever holds the ingest token, which lets nobody approve."""

import asyncio
import math
from typing import Final, Protocol

from starlette.datastructures import QueryParams
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from actions.agent.intake import Receipt, Submission
from actions.errors import UnknownProposalError
from actions.models import ActionProposal, ActionStatus, Via
from actions.ports import Clock, Policy, Reader, Store
from bot.action_json import stored_action, stored_actions
from bot.ingest import read_body, receipt_json, require_key, submission
from bot.request_guards import answer, is_number, number, read_capped, require_json, require_token
from bot.settings import Settings
from bot.token_bucket import TokenBucket

MAX_PAGE: Final = 200
AT_ONCE: Final = 8
"""Diagnoses that are taken in at the same time: enough to keep the database busy, too few to be in a click's way."""
WAITING: Final = 32
"""How many more may wait for that, first come, first served; each may hold a body of full size."""


class Taker(Protocol):
    """Where diagnoses are handed in: `actions.agent.intake.Intake`."""

    async def submit(self, submission: Submission) -> Receipt:
        """See `Intake.submit`."""
        ...


class Diagnoses:
    """`POST /api/v1/diagnoses`."""

    def __init__(self, *, settings: Settings, intake: Taker, clock: Clock) -> None:
        self._settings = settings
        self._intake = intake
        self._bucket = TokenBucket(per_minute=settings.limits.diagnoses_per_minute, clock=clock)
        self._here = 0
        self._turn = asyncio.Semaphore(AT_ONCE)

    async def post(self, request: Request) -> Response:
        """Take a diagnosis in: 202 with what became of it, or 4xx and nothing was stored."""
        require_token(request, self._settings)
        wait = self._bucket.take()
        if wait:
            raise _too_many("Too many diagnoses", wait)
        if self._here == AT_ONCE + WAITING:
            raise _too_many("Too many diagnoses at once", 1.0)
        self._here += 1
        try:
            return await self._take(request)
        finally:
            self._here -= 1

    async def _take(self, request: Request) -> Response:
        require_json(request)
        key = request.headers.get("idempotency-key")
        known = None if key is None else require_key(key)
        raw = await read_capped(request)
        async with self._turn:
            body = read_body(raw, allowed_channels=self._settings.allowed_channels)
            receipt = await self._intake.submit(submission(body, via=Via.HTTP, key=known))
        return answer(receipt_json(receipt), status=202)


def _too_many(what: str, wait: float) -> HTTPException:
    return HTTPException(429, f"{what}; nothing was stored.", {"Retry-After": str(math.ceil(wait))})


class Actions:
    """`GET /api/v1/actions` and `GET /api/v1/actions/ID`."""

    def __init__(self, *, settings: Settings, store: Store, policy: Policy) -> None:
        self._settings = settings
        self._store = store
        self._policy = policy

    async def list(self, request: Request) -> Response:
        """Return the newest first; `before` pages on."""
        require_token(request, self._settings)
        page = Page(request.query_params)
        found = await self._store.read(lambda reader: stored_actions(reader, self._policy, page.read(reader)))
        more = len(found) == page.limit
        return answer({"actions": found, "next_before": found[-1]["id"] if more else None})

    async def show(self, request: Request) -> Response:
        """Return one action."""
        require_token(request, self._settings)
        word = request.path_params["proposal_id"]
        if not is_number(word):
            raise HTTPException(404, "The id of an action is a number. GET /api/v1/actions lists them.")
        found = await self._store.read(lambda reader: stored_action(reader, self._policy, int(word)))
        if found is None:
            raise UnknownProposalError(int(word))
        return answer(found)


class Page:
    """Which actions are asked for."""

    def __init__(self, query: QueryParams) -> None:
        unknown = sorted(query.keys() - {"status", "subject", "before", "limit"})
        if unknown:
            raise HTTPException(422, f"{unknown[0][:40]!r} is no filter. There are: status, subject, before, limit.")
        self.statuses = tuple(_status(word) for value in query.getlist("status") for word in value.split(","))
        self.subject = query.get("subject")
        self.before = number(query, "before", 1, 2**53) if "before" in query else None
        self.limit = number(query, "limit", 1, MAX_PAGE) if "limit" in query else 50

    def read(self, reader: Reader) -> list[ActionProposal]:
        """Return the page."""
        return reader.proposals(statuses=self.statuses, subject=self.subject, before_id=self.before, limit=self.limit)


def _status(word: str) -> ActionStatus:
    try:
        return ActionStatus(word.strip().lower())
    except ValueError:
        known = ", ".join(status.value for status in ActionStatus)
        raise HTTPException(422, f"{word[:40]!r} is no status. There are: {known}.") from None
