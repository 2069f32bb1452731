"""Every kind of caller, who stands for it, and what Slack says of them."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final

from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse

from actions.models import Actor, ActorKind, Caller, Via
from bot.kill_switch_api import ADMIN

TEAM: Final = "T024BE7LD"
ELSEWHERE: Final = "T0ELSEWHERE"
TRUSTED_GROUP: Final = "S0TRUSTED"
INGEST_TOKEN: Final = "an-ingest-token-of-the-tests"
ADMIN_TOKEN: Final = "an-admin-token-of-the-tests"


class Kind(StrEnum):
    """Who calls."""

    LISTED = "listed approver"
    GRANTED = "person in a granted group"
    DENIED = "person in a denied group"
    UNLISTED = "listed in nothing"
    GUEST = "guest"
    STRANGER = "stranger of another workspace"
    BOT = "bot user"
    GONE = "deactivated"
    UNSURE = "look-up failed"
    PROPOSER = "the proposer"
    REVISER = "who edited it"
    BREAKER = "who broke the glass"
    MAY_BREAK = "may break the glass, and little else"
    MAY_REVIEW = "may close reviews, and little else"
    MAY_EDIT = "may edit, and little else"
    CLI_PERSON = "CLI person"
    CLI_PROPOSER = "the proposer from the CLI"
    CLI_BREAKER = "who broke the glass, from the CLI"
    CLI_STRANGER = "CLI stranger"
    AGENT = "agent"
    INGEST = "holder of the ingest token"
    ADMIN = "holder of the admin token"
    POLICY = "a policy's own rule"
    SYSTEM = "the system itself"


USERS: Final[Mapping[Kind, str]] = {
    Kind.LISTED: "ULISTED",
    Kind.GRANTED: "UGRANTED",
    Kind.DENIED: "UDENIED",
    Kind.UNLISTED: "UUNLISTED",
    Kind.GUEST: "UGUEST",
    Kind.STRANGER: "USTRANGER",
    Kind.BOT: "UBOT",
    Kind.GONE: "UGONE",
    Kind.UNSURE: "UUNSURE",
    Kind.PROPOSER: "UPROPOSER",
    Kind.REVISER: "UREVISER",
    Kind.BREAKER: "UBREAKER",
    Kind.MAY_BREAK: "UMAYBREAK",
    Kind.MAY_REVIEW: "UMAYREVIEW",
    Kind.MAY_EDIT: "UMAYEDIT",
}
"""Those who come from Slack."""
TERMINALS: Final[Mapping[Kind, str]] = {
    Kind.CLI_PERSON: "listed",
    Kind.CLI_PROPOSER: "proposer",
    Kind.CLI_BREAKER: "breaker",
    Kind.CLI_STRANGER: "nobody",
}
"""Those who come from the command line, by their logins."""
MACHINES: Final[Mapping[Kind, Caller]] = {
    Kind.AGENT: Caller(actor=Actor(ActorKind.AGENT, "rules"), via=Via.AGENT),
    Kind.INGEST: Caller(actor=Actor(ActorKind.HTTP, "grafana"), via=Via.HTTP),
    Kind.ADMIN: ADMIN,
    Kind.POLICY: Caller(actor=Actor(ActorKind.POLICY, "auto"), via=Via.SYSTEM),
    Kind.SYSTEM: Caller(actor=Actor.system("dispatcher"), via=Via.SYSTEM),
}
SECOND: Final = Caller(actor=Actor.slack(TEAM, "USECOND"), via=Via.SLACK)
THIRD: Final = Caller(actor=Actor.slack(TEAM, "UTHIRD"), via=Via.SLACK)
"""Approvers besides, who brought things where they stand."""

# Everybody but those whom a group lets in is on a list, so that each is refused for one reason alone.
PEOPLE: Final[Mapping[str, Mapping[str, list[str]]]] = {
    **{user.lower(): {"slack": [f"{TEAM}/{user}"]} for user in USERS.values() if user not in {"UGRANTED", "UUNLISTED"}},
    "ulisted": {"slack": [f"{TEAM}/ULISTED"], "cli": ["listed"]},
    "uproposer": {"slack": [f"{TEAM}/UPROPOSER"], "cli": ["proposer"]},
    "ubreaker": {"slack": [f"{TEAM}/UBREAKER"], "cli": ["breaker"]},
    "ustranger": {"slack": [f"{ELSEWHERE}/USTRANGER", f"{TEAM}/USTRANGER"]},
    "second": {"slack": [f"{TEAM}/USECOND"]},
    "third": {"slack": [f"{TEAM}/UTHIRD"]},
}
VERBS: Final = ("approve", "cancel", "kill", "set_mode", "resolve", "edit", "break_glass", "review")
_ALONE: Final[Mapping[str, str]] = {"break_glass": "umaybreak", "review": "umayreview", "edit": "umayedit"}
_OTHERS: Final = sorted(PEOPLE.keys() - {*_ALONE.values()})
POLICY: Final[Mapping[str, Any]] = {
    "people": PEOPLE,
    "groups": {"trusted": {"slack": TRUSTED_GROUP}, "barred": {"members": ["udenied"]}},
    "approvers": {verb: _OTHERS + ([_ALONE[verb]] if verb in _ALONE else []) for verb in VERBS},
    "grants": [{"who": ["group:trusted"], "may": [*VERBS, "propose"]}],
    "denials": [{"who": ["group:barred"], "may_not": [*VERBS, "propose"]}],
    "unattended": [{"name": "nudge", "subject": "rack", "action": "rack.nudge"}],
}


def team_of(kind: Kind) -> str:
    """Return the person's own workspace."""
    return ELSEWHERE if kind is Kind.STRANGER else TEAM


def caller(kind: Kind) -> Caller:
    """Return who calls, as the core is told."""
    if kind in MACHINES:
        return MACHINES[kind]
    if kind in TERMINALS:
        return Caller(actor=Actor.cli(TERMINALS[kind], "db-1"), via=Via.CLI)
    return Caller(actor=Actor.slack(team_of(kind), USERS[kind]), via=Via.SLACK)


class StandInSlack(AsyncWebClient):
    """Slack's Web API without a network: it says who people are, takes every message, and counts the forms it opens."""

    opened = 0

    async def api_call(self, api_method: str, **given: Any) -> AsyncSlackResponse:
        """See `AsyncWebClient.api_call`."""
        self.opened += api_method == "views.open"
        asked = given.get("params") or given.get("json") or given.get("data") or {}
        return AsyncSlackResponse(
            client=self,
            http_verb="POST",
            api_url=api_method,
            req_args={},
            data={"ok": True, **_answer(api_method, asked)},
            headers={},
            status_code=200,
        )


def _answer(method: str, asked: Mapping[str, Any]) -> Mapping[str, Any]:
    match method:
        case "users.info":
            return {"user": _user(asked["user"])}
        case "usergroups.users.list":
            return {"users": [USERS[Kind.GRANTED]]}
        case "chat.postMessage":
            return {"channel": "C024BE91L", "ts": "1772331125.000400"}
        case "views.open":
            return {"view": {"id": "V0MODAL001"}}
        case _:
            return {"messages": [], "channels": []}


def _user(user: str) -> Mapping[str, Any]:
    if user == USERS[Kind.UNSURE]:
        raise SlackApiError("no answer", {"ok": False, "error": "internal_error"})  # type: ignore[no-untyped-call] # of the SDK
    return {
        "id": user,
        "team_id": ELSEWHERE if user == USERS[Kind.STRANGER] else TEAM,
        "deleted": user == USERS[Kind.GONE],
        "is_bot": user == USERS[Kind.BOT],
        "is_restricted": user == USERS[Kind.GUEST],
        "is_ultra_restricted": False,
    }
