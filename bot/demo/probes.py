"""Looks at the demo's cluster with eyes of its own, so that nobody has to take the bot's word for it."""

import asyncio
import json
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import httpx

ANSWERS_WITHIN: Final = 1.0
KEY: Final = "demo/probe"


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberLook:
    """One member as it says of itself, or as its silence says."""

    name: str
    state: str
    """In words: `leads`, `follows`, `is down` …"""
    answers: bool
    leads: bool = False
    full: bool = False
    """Whether it knows of an alarm for lack of space."""


async def look(endpoints: Mapping[str, str]) -> tuple[MemberLook, ...]:
    """Ask every member how it is; one that does not say is not well."""
    async with _client() as client:
        said = await asyncio.gather(*(_status(client, url) for url in endpoints.values()))
    return tuple(_look(name, one) for name, one in zip(endpoints, said, strict=True))


async def problems(endpoints: Mapping[str, str], *, written: str) -> list[str]:
    """Return what is wrong: members that are not healthy, alarms, or a value *written* that does not read back."""
    async with _client() as client:
        said = await asyncio.gather(*(_health(client, name, url) for name, url in endpoints.items()))
        unhealthy = [problem for problem in said if problem]
        return unhealthy or await _alarms_and_write(client, list(endpoints.values()), written)


def in_words(members: Sequence[MemberLook]) -> str:
    """Return the cluster in one line."""
    return f"{_overall(members)}: {', '.join(f'{member.name} {member.state}' for member in members)}"


def _overall(members: Sequence[MemberLook]) -> str:
    if any(member.full for member in members):
        return "etcd refuses writes for lack of space"
    if not any(member.leads for member in members):
        return "etcd takes no writes, for nobody leads"
    silent = any(not member.answers for member in members)
    return "etcd takes writes, and is not whole" if silent else "etcd is healthy"


async def _alarms_and_write(client: httpx.AsyncClient, urls: Sequence[str], written: str) -> list[str]:
    try:
        alarms = (await _call(client, urls[0], "maintenance/alarm", {"action": "GET"})).get("alarms", [])
        if alarms:
            return [f"alarms are armed: {', '.join(sorted({str(one.get('alarm')) for one in alarms}))}"]
        await _call(client, urls[0], "kv/put", {"key": _encoded(KEY), "value": _encoded(written)})
        read = await _call(client, urls[-1], "kv/range", {"key": _encoded(KEY)})
    except httpx.HTTPError as error:
        return [f"a write or a read failed ({type(error).__name__}: {error})"]
    found = [one.get("value") for one in read.get("kvs", [])]
    return [] if found == [_encoded(written)] else [f"{written!r} was written, and {found} was read back"]


async def _health(client: httpx.AsyncClient, name: str, url: str) -> str | None:
    try:
        reply = await client.get(f"{url}/health")
        said = _object(reply)
    except httpx.HTTPError as error:
        return f"{name} does not answer ({type(error).__name__})"
    return None if reply.is_success and said.get("health") == "true" else f"{name} says {dict(said)}"


async def _status(client: httpx.AsyncClient, url: str) -> Mapping[str, Any] | httpx.HTTPError:
    try:
        return await _call(client, url, "maintenance/status", {})
    except httpx.HTTPError as error:
        return error


def _look(name: str, said: Mapping[str, Any] | httpx.HTTPError) -> MemberLook:
    match said:
        case httpx.TimeoutException():
            return MemberLook(name=name, state="hangs", answers=False)
        case httpx.HTTPError():
            return MemberLook(name=name, state="is down", answers=False)
        case _:
            leader = str(said.get("leader") or "")
            full = any("NOSPACE" in str(error) for error in said.get("errors", ()))
            leads = leader == str(said.get("header", {}).get("member_id", ""))
            state = "leads" if leads else "follows" if leader else "knows no leader"
            return MemberLook(name=name, state=state, answers=True, leads=leads, full=full)


async def _call(client: httpx.AsyncClient, url: str, path: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
    reply = await client.post(f"{url}/v3/{path}", content=json.dumps(body))
    reply.raise_for_status()
    return _object(reply)


def _object(reply: httpx.Response) -> Mapping[str, Any]:
    try:
        decoded = reply.json()
    except ValueError as error:
        raise httpx.DecodingError(f"not JSON: {reply.text[:80]!r}") from error
    return decoded if isinstance(decoded, dict) else {}


def _encoded(text: str) -> str:
    return b64encode(text.encode()).decode()


def _client() -> httpx.AsyncClient:
    return httpx.AsyncClient(trust_env=False, verify=False, timeout=ANSWERS_WITHIN)  # noqa: S501 - plain loopback
