"""`operator doctor`: looks at everything that has to be right, and says what to do where it is not."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import aiohttp
from slack_sdk.web.async_client import AsyncWebClient

from actions.errors import OperatorError
from actions.models import EVERYTHING, Verb
from actions.ports import Reader
from actions.subject import Subject
from bot.cli.output import clean, print_json, print_table
from bot.cli.policy_check import findings_in
from bot.cli.policy_facts import people
from bot.housekeeping import RUN_LEASE
from bot.policy_lint import Rosters
from bot.reach import build_policy
from bot.serve import require_slack
from bot.settings import Settings, load
from bot.wiring import Parts, opened
from bot.workspace_identity import require_socket_mode, who_am_i

_PATIENCE: Final = 15.0
"""Seconds that a system or Slack may take to answer."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at."""

    what: str
    ok: bool
    said: str
    """What was found, or what to do."""


async def doctor(*, as_json: bool) -> int:
    """Print every check; 1 if something is to be mended."""
    settings = load()
    checks = [Check("settings", True, "can be used")]
    checks += [check async for check in _people(settings)]
    checks += [check async for check in _inside(settings)]
    checks += [check async for check in _slack(settings)]
    if as_json:
        print_json([{"check": check.what, "ok": check.ok, "said": check.said} for check in checks])
    else:
        rows = [("ok" if check.ok else "MEND", check.what, clean(check.said)) for check in checks]
        print_table(("", "CHECK", "WHAT WAS FOUND, OR WHAT TO DO"), rows)
    return 0 if all(check.ok for check in checks) else 1


async def _people(settings: Settings) -> AsyncIterator[Check]:
    try:
        findings = await findings_in(settings, await _rosters(settings))
    except OperatorError as error:
        yield Check("approvers", False, f"cannot be checked: {error}")
        return
    for finding in findings:
        yield Check("approvers", False, f"{finding.where} {finding.said}")
    if not findings:
        yield Check("approvers", True, ", ".join(build_policy(settings).who_may(Verb.APPROVE)))


async def _rosters(settings: Settings) -> Rosters:
    try:
        async with people(settings) as known:
            return known.rosters
    except OperatorError:
        return {}  # what is wrong with Slack is a check of its own


async def _inside(settings: Settings) -> AsyncIterator[Check]:
    try:
        async with opened(settings) as parts:
            yield await _database(parts)
            yield await _running(parts)
            yield _held_back(parts)
            for name, subject in parts.subjects.items():
                yield await _subject(name, subject)
            if not parts.subjects:
                yield Check("subjects", False, "none is configured; add a [subjects.NAME] section")
    except OperatorError as error:
        yield Check("database and subjects", False, str(error))


async def _database(parts: Parts) -> Check:
    now = parts.clock.now()

    def query(reader: Reader) -> str:
        mode, lines = reader.control(EVERYTHING).mode.value, reader.audit_head(now).count
        return f"mode {mode}, {lines} audit lines, {parts.settings.database_shown}"

    return Check("database", True, await parts.store.read(query))


async def _running(parts: Parts) -> Check:
    now = parts.clock.now()
    holder = await parts.store.read(lambda reader: reader.lease_holder(RUN_LEASE, now))
    return Check("operator run", True, f"is alive as {holder}" if holder else "is not running")


def _held_back(parts: Parts) -> Check:
    held = parts.kill_files.present()
    if held:
        lifts = (
            "`operator actions mode execute` on this host removes kill files; with --subject NAME one that ends @NAME"
        )
        return Check("kill files", False, f"{held[0]}; {lifts}")
    return Check("kill files", True, "none")


async def _subject(name: str, subject: Subject) -> Check:
    async def look() -> str:
        observation = await subject.observe()
        found = sum(rule.check(observation) is not None for rule in subject.rules)
        return f"answers; {found or 'no'} fault(s) found, {len(subject.actions)} actions offered"

    return await _checked(f"subject {name}", look)


async def _slack(settings: Settings) -> AsyncIterator[Check]:
    try:
        _, bot_token = require_slack(settings)
    except OperatorError as error:
        yield Check("slack", False, str(error))
        return
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_PATIENCE)) as session:
        base_url = settings.slack_api_url.rstrip("/") + "/"
        client = AsyncWebClient(token=bot_token, base_url=base_url, session=session, retry_handlers=[])

        async def bot() -> str:
            who = await who_am_i(client)
            return f"the bot is {who.bot_user_id} in workspace {who.team_id}, {who.url}"

        async def socket_mode() -> str:
            if settings.slack_app_token is None:
                return "not used; Slack comes by HTTP"
            await require_socket_mode(client, settings.slack_app_token.get_secret_value())
            return "can be opened"

        yield await _checked("slack bot token", bot)
        yield await _checked("slack socket mode", socket_mode)


async def _checked(what: str, look: Callable[[], Awaitable[str]]) -> Check:
    try:
        async with asyncio.timeout(_PATIENCE):
            return Check(what, True, await look())
    except OperatorError as error:
        return Check(what, False, str(error))
    except TimeoutError:
        return Check(what, False, f"did not answer within {_PATIENCE:g} s; is it up, and can it be reached from here?")
