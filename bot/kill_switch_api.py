"""`POST /api/v1/kill-switch`: a program stops everything, or one subject. Nothing is ever started over HTTP."""

from typing import Annotated, Final, Protocol

from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from actions.canonical import Json
from actions.errors import UnknownSubjectError
from actions.models import EVERYTHING, Caller, Via
from actions.policy import HTTP_ADMIN
from actions.safety import Stopped
from bot.problem_documents import problem
from bot.request_guards import answer, read_capped, require_admin_token, require_json
from bot.settings import Settings
from bot.stop_json import stopped_json
from bot.strict_json import read_json

ADMIN: Final = Caller(actor=HTTP_ADMIN, via=Via.HTTP)
_WANTED: Final = 'Send {"reason": "why", "subject": "a name, or nothing for everything"}. Nothing was stopped.'


class KillOrder(BaseModel):
    """What is to be stopped, and why."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    reason: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
    """Cut where it is too long."""
    subject: str | None = None
    """None is everything."""


class Switch(Protocol):
    """What is thrown: `actions.safety.SafetyController`."""

    async def kill_switch(self, *, by: Caller, reason: str, scope: str) -> Stopped:
        """See `SafetyController.kill_switch`."""
        ...


class KillSwitch:
    """For whoever holds the admin token, which opens nothing else."""

    def __init__(self, *, settings: Settings, safety: Switch) -> None:
        self._settings = settings
        self._safety = safety

    async def post(self, request: Request) -> Response:
        """Stop: 200 with what may still take effect, 507 if only this host was stopped, and else nothing was."""
        require_admin_token(request, self._settings)
        require_json(request)
        order = _order(read_json(await read_capped(request)))
        try:
            stopped = await self._safety.kill_switch(by=ADMIN, reason=order.reason, scope=order.subject or EVERYTHING)
        except UnknownSubjectError as error:
            return problem(422, str(error), kind="unknown-subject", title="Unknown subject")
        return answer(stopped_json(stopped)) if stopped.recorded else _this_host_alone(stopped)


def _order(document: Json) -> KillOrder:
    try:
        return KillOrder.model_validate(document)
    except ValidationError as error:
        wrong = "; ".join(
            f"{'.'.join(map(str, one['loc'])) or 'the body'}: {one['msg'][:1].lower()}{one['msg'][1:]}"
            for one in error.errors(include_url=False, include_input=False, include_context=False)
        )
        raise HTTPException(422, f"{wrong[:500]}. {_WANTED}") from None


def _this_host_alone(stopped: Stopped) -> Response:
    what = "nothing new" if stopped.scope == EVERYTHING else f"nothing new of {stopped.scope}"
    detail = (
        f"KILL FILE ONLY. A kill file lies on the host that answers: there, {what} begins. Other hosts are not "
        "stopped. What was begun already may still take effect, and cannot be listed. The stop could not be recorded, "
        f"because: {stopped.problem} Mend that and send this again."
    )
    return problem(507, detail, kind="kill-file-only", title="Kill file only")
