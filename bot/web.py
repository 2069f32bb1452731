"""The HTTP interface, put together: every answer but Slack's is JSON, every error a problem document."""

import logging
import secrets
from collections.abc import Callable, Sequence
from typing import Protocol

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp

from actions.errors import OperatorError
from actions.ports import Clock, KillFiles, Policy, Store
from bot.api import Actions, Diagnoses, Taker
from bot.kill_switch_api import KillSwitch, Switch
from bot.problem_documents import problem, problem_of
from bot.readiness import Readiness
from bot.settings import Settings
from bot.web_shell import SLACK_PATH, Shell

log = logging.getLogger(__name__)


class Backend(Protocol):
    """What the interface stands on; `bot.wiring.Parts` is one."""

    @property
    def settings(self) -> Settings:
        """The configuration."""
        ...

    @property
    def store(self) -> Store:
        """The database."""
        ...

    @property
    def intake(self) -> Taker:
        """Where diagnoses are handed in."""
        ...

    @property
    def policy(self) -> Policy:
        """Who may do what, and who must."""
        ...

    @property
    def safety(self) -> Switch:
        """The kill switch."""
        ...

    @property
    def kill_files(self) -> KillFiles:
        """What holds this host back."""
        ...

    @property
    def clock(self) -> Clock:
        """Time."""
        ...


def build_web(
    parts: Backend,
    slack_handler: ASGIApp | None,
    *,
    ready: Callable[[], Sequence[str]] = tuple,
    routes: Sequence[BaseRoute] = (),
) -> ASGIApp:
    """Return the whole interface.

    Args:
        parts: the built application.
        slack_handler: takes `POST /slack/events`, signature checks included; None if Slack does not come by HTTP.
        ready: says what is wrong with the workers of this process, one sentence each.
        routes: more routes, answered under the same rules.
    """
    diagnoses = Diagnoses(settings=parts.settings, intake=parts.intake, clock=parts.clock)
    actions = Actions(settings=parts.settings, store=parts.store, policy=parts.policy)
    kill_switch = KillSwitch(settings=parts.settings, safety=parts.safety)
    readiness = Readiness(store=parts.store, kill_files=parts.kill_files, ready=ready)
    app = Starlette(
        routes=[
            Route("/api/v1/diagnoses", diagnoses.post, methods=["POST"]),
            Route("/api/v1/kill-switch", kill_switch.post, methods=["POST"]),
            Route("/api/v1/actions", actions.list, methods=["GET"]),
            Route("/api/v1/actions/{proposal_id}", actions.show, methods=["GET"]),
            Route("/healthz", readiness.alive, methods=["GET"]),
            Route("/readyz", readiness.ready, methods=["GET"]),
            *routes,
        ],
        exception_handlers={
            OperatorError: _refused,
            HTTPException: _http_error,
            ClientDisconnect: _gone,
            Exception: _fault,
        },
    )
    return Shell(app, slack_handler)


async def _refused(_: Request, error: Exception) -> Response:
    if isinstance(error, OperatorError):
        return problem_of(error)
    raise error


async def _http_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    detail = error.detail
    if error.status_code == 404 and detail == "Not Found":
        detail = f"There is nothing at {request.url.path[:200]!r}."
        if request.url.path == SLACK_PATH:
            detail = "Slack does not come by HTTP here: SLACK_SIGNING_SECRET is not set, so Socket Mode is used."
    if error.status_code == 405:
        detail = f"{request.url.path} is not for {request.method[:20]!r}."
    return problem(error.status_code, detail, headers=error.headers)


async def _gone(request: Request, _: Exception) -> Response:
    log.info("a client went away before its request to %s was complete", request.url.path)
    return Response(status_code=400)


async def _fault(request: Request, error: Exception) -> Response:
    reference = secrets.token_hex(4)
    log.error("a request failed", exc_info=error, extra={"reference": reference, "path": request.url.path})
    return problem(500, f"This is a fault of ours. It is in the log as {reference}.")
