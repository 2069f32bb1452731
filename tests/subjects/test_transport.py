import asyncio
import socket
import time
from dataclasses import replace

import pytest

from actions.errors import ActionFailedError, ConfigurationError
from actions.models import FailureOutcome
from actions.subjects.transport import (
    Call,
    Deadlines,
    NotSentError,
    OutcomeUnknownError,
    RefusedError,
    Reply,
    Tls,
    Transport,
    UnreachableError,
    Why,
    require_endpoint,
)
from tests.subjects.loopback import (
    Answer,
    answering,
    breaking_off,
    never_ending,
    replying,
    saying,
    saying_nothing,
)

READ = Call(path="/state", deadlines=Deadlines.probing(10.0))
WRITE = Call(path="/change", body=b"{}", deadlines=Deadlines.probing(10.0))
QUICK = Deadlines.probing(0.3)
"""For what never answers: the test waits for as long."""


@pytest.fixture
def nobody() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


async def test_a_read_returns_status_and_body() -> None:
    async with answering(replying("200 OK", b"well")) as server:
        reply = await Transport().read([server.url], READ)

    assert (reply.status, reply.body) == (200, b"well")
    assert server.requests[0].startswith("GET /state HTTP/1.1")
    assert "accept-encoding: identity" in server.requests[0].lower()


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (breaking_off, Why.RESET),
        (saying(b"what?\r\n\r\n"), Why.RESET),
        (replying("302 Found", b"", "Location: http://127.0.0.1:1/"), Why.UNUSABLE),
        (replying("200 OK", b"\x1f\x8b", "Content-Encoding: gzip"), Why.UNUSABLE),
        (replying("200 OK", b"x" * (64 * 1024 + 1)), Why.UNUSABLE),
        (never_ending, Why.UNUSABLE),
    ],
)
async def test_an_answer_that_cannot_be_used_is_a_read_that_failed_for_a_reason(answer: Answer, why: Why) -> None:
    async with answering(answer) as server:
        with pytest.raises(UnreachableError) as caught:
            await Transport().read([server.url], READ)

    assert caught.value.why is why


async def test_a_read_that_gets_no_answer_is_given_up_in_time() -> None:
    async with answering(saying_nothing) as server:
        with pytest.raises(UnreachableError) as caught:
            await Transport().read([server.url], replace(READ, deadlines=QUICK))

    assert caught.value.why is Why.TIMEOUT


async def test_a_write_that_gets_no_answer_may_have_happened() -> None:
    async with answering(saying_nothing) as server:
        with pytest.raises(OutcomeUnknownError) as caught:
            await Transport().write(server.url, replace(WRITE, deadlines=QUICK))

    assert not isinstance(caught.value, ActionFailedError)
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "answer",
    [
        breaking_off,
        saying(b"what?\r\n\r\n"),
        replying("307 Temporary Redirect", b"", "Location: http://127.0.0.1:1/"),
        replying("200 OK", b"\x1f\x8b", "Content-Encoding: gzip"),
        replying("200 OK", b"x" * (64 * 1024 + 1)),
    ],
)
async def test_a_write_without_a_usable_answer_is_not_known_to_have_failed(answer: Answer) -> None:
    async with answering(answer) as server:
        with pytest.raises(OutcomeUnknownError) as caught:
            await Transport().write(server.url, WRITE)

    assert not isinstance(caught.value, ActionFailedError)
    assert len(server.requests) == 1


async def test_a_write_to_nobody_was_never_sent(nobody: str) -> None:
    with pytest.raises(NotSentError, match="refuses connections") as caught:
        await Transport().write(nobody, WRITE)

    assert caught.value.outcome is FailureOutcome.NO_EFFECT
    assert caught.value.why is Why.REFUSED


async def test_a_write_over_tls_to_a_plain_port_was_never_sent() -> None:
    async with answering(saying(b"plain\r\n\r\n"), reads_head=False) as server:
        with pytest.raises(NotSentError) as caught:
            await Transport().write(server.url.replace("http:", "https:"), WRITE)

    assert caught.value.why is Why.TLS
    assert caught.value.outcome is FailureOutcome.NO_EFFECT


async def test_a_host_with_several_addresses_refuses_at_each_of_them(nobody: str) -> None:
    with pytest.raises(UnreachableError) as caught:
        await Transport().read([nobody.replace("127.0.0.1", "localhost")], READ)

    assert caught.value.why is Why.REFUSED


async def test_a_name_that_nobody_knows_is_told_apart_from_a_closed_port() -> None:
    call = Call(path="/state", deadlines=Deadlines.probing(5.0))

    with pytest.raises(UnreachableError) as caught:
        await Transport().read(["http://nobody.invalid:1"], call)

    assert caught.value.why is Why.UNRESOLVED


async def test_a_read_goes_on_to_the_next_endpoint(nobody: str) -> None:
    async with answering(replying("503 Busy")) as busy, answering(replying("200 OK", b"well")) as well:
        reply = await Transport().read([nobody, busy.url, well.url], READ)

    assert reply.body == b"well"
    assert len(busy.requests) == 1


async def test_a_read_that_only_finds_trouble_returns_what_was_said() -> None:
    async with answering(replying("503 Busy", b"later")) as busy:
        reply = await Transport().read([busy.url], READ)

    assert (reply.status, reply.words) == (503, "later")


async def test_a_call_ends_at_its_overall_deadline_whatever_the_phases_allow() -> None:
    async def begin_to_answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nx")
        await saying_nothing(reader, writer)

    call = Call(path="/state", deadlines=Deadlines(read=20.0, overall=0.3))
    began = time.monotonic()
    async with answering(begin_to_answer) as server:
        with pytest.raises(UnreachableError) as caught:
            await Transport().read([server.url], call)

    assert caught.value.why is Why.TIMEOUT
    assert time.monotonic() - began < 5.0


@pytest.mark.parametrize(
    ("status", "raised"),
    [
        (200, None),
        (204, None),
        (400, RefusedError),
        (404, RefusedError),
        (429, RefusedError),
        (408, OutcomeUnknownError),
        (500, OutcomeUnknownError),
        (503, OutcomeUnknownError),
        (102, OutcomeUnknownError),
    ],
)
def test_only_a_refusal_by_the_target_says_that_nothing_was_done(status: int, raised: type[Exception] | None) -> None:
    reply = Reply(endpoint="http://target", status=status, body=b"no\x1b[31m\nway")

    if raised is None:
        reply.require_success()
        return
    with pytest.raises(raised, match=r"no\\x1b\[31m\\nway"):
        reply.require_success()


def test_a_refusal_has_no_effect() -> None:
    assert RefusedError("http://target", "no").outcome is FailureOutcome.NO_EFFECT


async def test_settings_of_the_environment_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    async with answering(replying("200 OK", b"direct")) as server:
        reply = await Transport().read([server.url], READ)

    assert reply.body == b"direct"


@pytest.mark.parametrize("url", ["http://127.0.0.1:2379", "https://etcd.example:2379/", "http://[::1]:2379"])
def test_an_endpoint_is_scheme_host_and_port(url: str) -> None:
    assert require_endpoint(url) == url.rstrip("/")


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "http://",
        "http://user:word@host:1",
        "http://host:1/path",
        "http://host:1/?query=1",
        "http://host:1#part",
        "http://host:99999",
        "host:2379",
        "unix:///run/x.sock",
    ],
)
def test_anything_else_is_no_endpoint(url: str) -> None:
    with pytest.raises(ValueError, match=r"must|[Pp]ort"):
        require_endpoint(url)


def test_certificates_that_cannot_be_read_are_a_mistake_in_the_configuration() -> None:
    with pytest.raises(ConfigurationError, match=r"/nowhere/ca\.pem"):
        Tls.model_validate({"ca_file": "/nowhere/ca.pem"}).context()
