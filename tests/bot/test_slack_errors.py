import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from bot.slack_errors import LONGEST_WAIT, Meaning, error_code, is_rate_limit, meaning, wait_asked


class Slack:
    """Answers every call with the same bytes."""

    def __init__(self) -> None:
        self.answer: dict[str, Any] = {}

    async def handle(self, _: web.Request) -> web.Response:
        return web.Response(**self.answer)


@pytest.fixture
async def slack() -> Slack:
    return Slack()


@pytest.fixture
async def client(slack: Slack) -> AsyncIterator[AsyncWebClient]:
    app = web.Application()
    app.router.add_route("*", "/api/{method}", slack.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    async with aiohttp.ClientSession() as session:
        yield AsyncWebClient(
            token="xoxb-1",
            base_url=f"http://127.0.0.1:{runner.addresses[0][1]}/api/",
            session=session,
            retry_handlers=[],
        )
    await runner.cleanup()


async def refused(client: AsyncWebClient) -> SlackApiError:
    with pytest.raises(SlackApiError) as caught:
        await client.chat_postMessage(channel="C1", text="x")
    return caught.value


def saying(code: str, status: int = 200, **headers: str) -> dict[str, Any]:
    body = json.dumps({"ok": False, "error": code})
    return {"status": status, "text": body, "content_type": "application/json", "headers": headers}


@pytest.mark.parametrize(
    ("code", "status", "expected"),
    [
        ("ratelimited", 429, Meaning.WAIT),
        ("ratelimited", 200, Meaning.WAIT),
        ("anything", 429, Meaning.WAIT),
        ("internal_error", 200, Meaning.WAIT),
        ("fatal_error", 200, Meaning.WAIT),
        ("service_unavailable", 503, Meaning.WAIT),
        ("request_timeout", 200, Meaning.WAIT),
        ("team_added_to_org", 200, Meaning.WAIT),
        ("message_limit_exceeded", 200, Meaning.WAIT),
        ("invalid_blocks", 500, Meaning.WAIT),
        ("channel_not_found", 200, Meaning.ELSEWHERE),
        ("not_in_channel", 200, Meaning.ELSEWHERE),
        ("is_archived", 200, Meaning.ELSEWHERE),
        ("messages_tab_disabled", 200, Meaning.ELSEWHERE),
        ("restricted_action", 200, Meaning.ELSEWHERE),
        ("restricted_action_non_threadable_channel", 200, Meaning.ELSEWHERE),
        ("message_not_found", 200, Meaning.GONE),
        ("cant_update_message", 200, Meaning.GONE),
        ("edit_window_closed", 200, Meaning.GONE),
        ("thread_not_found", 200, Meaning.GONE),
        ("cannot_reply_to_message", 200, Meaning.GONE),
        ("invalid_auth", 200, Meaning.LOCKED_OUT),
        ("not_authed", 200, Meaning.LOCKED_OUT),
        ("account_inactive", 200, Meaning.LOCKED_OUT),
        ("token_revoked", 200, Meaning.LOCKED_OUT),
        ("token_expired", 200, Meaning.LOCKED_OUT),
        ("missing_scope", 200, Meaning.LOCKED_OUT),
        ("org_login_required", 200, Meaning.LOCKED_OUT),
        ("not_allowed_token_type", 200, Meaning.LOCKED_OUT),
        ("invalid_blocks", 200, Meaning.NEVER),
        ("msg_too_long", 200, Meaning.NEVER),
        ("invalid_arguments", 200, Meaning.NEVER),
        ("a_code_of_tomorrow", 200, Meaning.NEVER),
    ],
)
async def test_what_slacks_codes_mean(
    slack: Slack, client: AsyncWebClient, code: str, status: int, expected: Meaning
) -> None:
    slack.answer = saying(code, status)

    error = await refused(client)

    assert error_code(error) == code
    assert meaning(error) is expected


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ({"status": 503, "text": "<html>", "content_type": "text/html"}, "http_503"),
        ({"status": 502, "text": "bad gateway", "content_type": "text/plain"}, "http_502"),
        ({"status": 200, "text": "<html>log in first", "content_type": "text/html"}, "http_200"),
        ({"status": 403, "text": "<html>proxy", "content_type": "text/html"}, "http_403"),
        ({"status": 200, "text": '{"ok": fal', "content_type": "application/json"}, "http_200"),
        ({"status": 500, "text": "", "content_type": "application/json"}, "http_500"),
        ({"status": 200, "text": "{}", "content_type": "application/json"}, "http_200"),
    ],
)
async def test_an_answer_without_a_code_is_not_slacks_last_word(
    slack: Slack, client: AsyncWebClient, answer: dict[str, Any], code: str
) -> None:
    slack.answer = answer

    error = await refused(client)

    assert error_code(error) == code
    assert meaning(error) is Meaning.WAIT
    assert not is_rate_limit(error)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, 30),
        ({"Retry-After": "12"}, 12),
        ({"retry-after": " 12 "}, 12),
        ({"Retry-After": "0"}, 1),
        ({"Retry-After": "999999999999999999999"}, LONGEST_WAIT),
        ({"Retry-After": "1.5"}, 30),
        ({"Retry-After": "-1"}, 30),
        ({"Retry-After": "Sun, 22 Nov 2026 18:00:00 GMT"}, 30),
    ],
)
async def test_how_long_slack_asks_to_wait(
    slack: Slack, client: AsyncWebClient, headers: dict[str, str], seconds: float
) -> None:
    slack.answer = saying("ratelimited", 429, **headers)

    error = await refused(client)

    assert is_rate_limit(error)
    assert wait_asked(error) == seconds
