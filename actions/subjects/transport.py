"""How every target is spoken to over HTTP: short deadlines, nothing followed, nothing repeated, nothing unbounded.

Each call opens its own connection: a kept one may have been closed under us, and then nobody could say whether a write
arrived. Proxies, certificates and credentials of the environment are ignored.
"""

import asyncio
import errno
import socket
import ssl
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import urlsplit

import httpx
from pydantic import AfterValidator, BaseModel, ConfigDict

from actions.errors import ActionFailedError, ConfigurationError, OperatorError, TargetUnavailableError
from actions.printable import printable

KIB: Final = 1024
BODY_LIMIT: Final = 64 * KIB


class Why(StrEnum):
    """Why an endpoint gave no usable answer, as far as this side can tell."""

    REFUSED = "refused"
    """Nothing listens there."""
    TIMEOUT = "timeout"
    """It said nothing in time."""
    RESET = "reset"
    """The connection broke."""
    UNRESOLVED = "name not found"
    TLS = "TLS failure"
    NO_ROUTE = "no route"
    UNUSABLE = "unusable answer"
    """It answered something that is not followed or cannot be read."""


class UnreachableError(TargetUnavailableError):
    """A read got no usable answer from an endpoint."""

    def __init__(self, endpoint: str, why: Why, detail: str) -> None:
        super().__init__(f"{endpoint} could not be read: {detail}.")
        self.endpoint = endpoint
        self.why = why
        self.detail = detail


class NotSentError(ActionFailedError):
    """A write was never sent: the connection could not be made."""

    def __init__(self, endpoint: str, why: Why, detail: str) -> None:
        super().__init__(f"Nothing was sent to {endpoint}: {detail}.")
        self.endpoint = endpoint
        self.why = why


class RefusedError(ActionFailedError):
    """The target refused a write, and its contract says that nothing was done."""

    def __init__(self, endpoint: str, words: str) -> None:
        super().__init__(f"{endpoint} refused: {printable(words)}")
        self.endpoint = endpoint
        self.words = printable(words)


class OutcomeUnknownError(OperatorError):
    """A write was, or may have been, sent, and what came back does not say whether it was done."""

    def __init__(self, endpoint: str, detail: str) -> None:
        super().__init__(f"What became of the call to {endpoint} is not known: {detail}.")
        self.endpoint = endpoint
        self.detail = detail


@contextmanager
def before_sending() -> Iterator[None]:
    """Enclose the reads that come before the first write of an action: if one fails, it is known that nothing was done.

    Raises:
        ActionFailedError: instead of `TargetUnavailableError`.
    """
    try:
        yield
    except TargetUnavailableError as error:
        raise ActionFailedError(f"Nothing was sent: {error}") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadlines:
    """Seconds for each phase of a call, and for all of it."""

    connect: float = 1.0
    write: float = 1.0
    read: float = 2.0
    pool: float = 1.0
    overall: float = 3.0

    @classmethod
    def answering_within(cls, seconds: float) -> "Deadlines":
        """Deadlines for a call whose answer may take *seconds*."""
        return cls(connect=min(1.0, seconds), read=seconds, overall=seconds + 2.0)

    @classmethod
    def probing(cls, seconds: float) -> "Deadlines":
        """Deadlines for a look that must be over after *seconds*, whatever happens."""
        return cls(connect=seconds, write=seconds, read=seconds, pool=seconds, overall=seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request. Without a body it is a GET, with one a POST."""

    path: str
    body: bytes | None = None
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    deadlines: Deadlines = field(default_factory=Deadlines)
    limit: int = BODY_LIMIT
    """Bytes that an answer may have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A complete answer within the limits."""

    endpoint: str
    status: int
    body: bytes

    @property
    def words(self) -> str:
        """What the target said, in a form that can be shown."""
        return printable(self.body.decode("utf-8", errors="replace").strip()) or f"HTTP {self.status}"

    def require_success(self) -> None:
        """Judge the answer to a write by its status alone.

        Raises:
            RefusedError: 4xx; the request was turned down.
            OutcomeUnknownError: any other status that is not 2xx.
        """
        match self.status:
            case status if httpx.codes.is_success(status):
                return
            case status if httpx.codes.is_client_error(status) and status != httpx.codes.REQUEST_TIMEOUT:
                raise RefusedError(self.endpoint, self.words)
            case _:
                raise OutcomeUnknownError(self.endpoint, f"it answered {self.status}: {self.words}")


class Tls(BaseModel):
    """Certificates, as files. Without `ca_file` the system's authorities are trusted."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None

    def context(self) -> ssl.SSLContext:
        """Return the context for these files. Raises `ConfigurationError` if one cannot be used."""
        try:
            context = ssl.create_default_context(cafile=self.ca_file)
            if self.cert_file is not None:
                context.load_cert_chain(self.cert_file, self.key_file)
        except OSError as error:
            files = ", ".join(str(path) for path in (self.ca_file, self.cert_file, self.key_file) if path)
            raise ConfigurationError(f"The certificates ({files}) cannot be used: {error}.") from error
        return context


def require_endpoint(url: str) -> str:
    """Return *url* without a closing slash, or raise `ValueError` unless it is `http(s)://host[:port]`."""
    parts = urlsplit(url)
    plain = f"{parts.scheme}://{parts.netloc}"
    if parts.scheme not in {"http", "https"} or not parts.hostname or "@" in parts.netloc or parts.port == 0:
        raise ValueError("must be http://host:port or https://host:port, without a user")
    if url.rstrip("/") != plain:
        raise ValueError("must end after the port: no path, query or fragment")
    return plain


EndpointUrl = Annotated[str, AfterValidator(require_endpoint)]


class Transport:
    """Sends calls to endpoints that the configuration names."""

    def __init__(
        self,
        *,
        auth: httpx.Auth | None = None,
        tls: Tls | None = None,
        over: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._client = httpx.AsyncClient(
            auth=auth,
            verify=_trusting_the_system() if tls is None else tls.context(),
            trust_env=False,
            follow_redirects=False,
            limits=httpx.Limits(max_connections=32, max_keepalive_connections=0),
            headers={"Accept-Encoding": "identity", "User-Agent": "operator-bot"},
            transport=over,
        )

    async def read(self, endpoints: Sequence[str], call: Call) -> Reply:
        """Return the first answer below 500, asking one endpoint after another; else the last one from 500 up.

        Raises:
            UnreachableError: no endpoint answered; it tells of the last one asked.
        """
        unwell: Reply | None = None
        failure: UnreachableError | None = None
        for endpoint in endpoints:
            try:
                reply = await self._exchange(endpoint, call)
            except _FAILURES as error:
                failure = UnreachableError(endpoint, _why(error), _detail(error))
                continue
            if reply.status < httpx.codes.INTERNAL_SERVER_ERROR:
                return reply
            unwell = reply
        if unwell is not None:
            return unwell
        raise failure or ValueError("a read needs an endpoint")

    async def write(self, endpoint: str, call: Call) -> Reply:
        """Send *call* once, to this endpoint, and return its answer, whatever its status.

        Raises:
            NotSentError: the connection could not be made, so nothing was sent.
            OutcomeUnknownError: no usable answer; it may have been done.
        """
        try:
            return await self._exchange(endpoint, call)
        except _NOT_SENT as error:
            raise NotSentError(endpoint, _why(error), _detail(error)) from error
        except _FAILURES as error:
            raise OutcomeUnknownError(endpoint, _detail(error)) from error

    async def close(self) -> None:
        """Close connections."""
        await self._client.aclose()

    async def _exchange(self, endpoint: str, call: Call) -> Reply:
        seconds = call.deadlines
        request = self._client.build_request(
            "GET" if call.body is None else "POST",
            f"{endpoint}{call.path}",
            content=call.body,
            headers={**call.headers, **({} if call.body is None else {"Content-Type": call.content_type})},
            timeout=httpx.Timeout(connect=seconds.connect, read=seconds.read, write=seconds.write, pool=seconds.pool),
        )
        async with asyncio.timeout(seconds.overall):
            response = await self._client.send(request, stream=True)
            try:
                return Reply(endpoint=endpoint, status=response.status_code, body=await _body(response, call.limit))
            finally:
                await response.aclose()


@cache
def _trusting_the_system() -> ssl.SSLContext:
    # Reading the system's authorities takes longer than anything else here, and they are the same for all.
    return ssl.create_default_context()


class _UnusableAnswerError(Exception):
    """An answer that the rules of this module do not let in."""


_NOT_SENT: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)
_FAILURES: Final = (httpx.HTTPError, httpx.StreamError, TimeoutError, _UnusableAnswerError)


async def _body(response: httpx.Response, limit: int) -> bytes:
    _require_plain(response)
    chunks = bytearray()
    async for chunk in response.aiter_raw():
        chunks += chunk
        if len(chunks) > limit:
            raise _UnusableAnswerError(f"it answered with more than {limit // KIB} KiB")
    return bytes(chunks)


def _require_plain(response: httpx.Response) -> None:
    if httpx.codes.is_redirect(response.status_code):
        raise _UnusableAnswerError(f"it answered with a redirect ({response.status_code}), which is not followed")
    encoding = response.headers.get("Content-Encoding", "identity")
    if encoding.lower() != "identity":
        raise _UnusableAnswerError(f"it answered with the encoding {printable(encoding, 40)}, which was not asked for")


def _detail(error: Exception) -> str:
    match error:
        case _UnusableAnswerError():
            return str(error)
        case _:
            said = printable(str(error)).rstrip(".")
            return f"{_WORDS[_why(error)]}{f' ({said})' if said else ''}"


_WORDS: Final[Mapping[Why, str]] = {
    Why.REFUSED: "it refuses connections",
    Why.TIMEOUT: "it did not answer in time",
    Why.RESET: "the connection broke",
    Why.UNRESOLVED: "its name could not be resolved",
    Why.TLS: "no secure connection could be made",
    Why.NO_ROUTE: "no connection could be made",
    Why.UNUSABLE: "its answer cannot be used",
}


def _why(error: BaseException) -> Why:
    if isinstance(error, httpx.TimeoutException | TimeoutError):
        return Why.TIMEOUT
    if isinstance(error, _UnusableAnswerError | httpx.DecodingError | httpx.UnsupportedProtocol):
        return Why.UNUSABLE
    if isinstance(error, httpx.ConnectError):
        return next((why for cause in _causes(error) if (why := _why_not_connected(cause))), Why.NO_ROUTE)
    return Why.RESET


def _why_not_connected(cause: BaseException) -> Why | None:
    match cause:
        case ssl.SSLError():
            return Why.TLS
        case socket.gaierror():
            return Why.UNRESOLVED
        case OSError(errno=errno.ECONNREFUSED):
            return Why.REFUSED
        case OSError(errno=errno.ECONNRESET):
            return Why.RESET
        case _:
            return None


def _causes(error: BaseException) -> Iterator[BaseException]:
    # A host with several addresses fails with a group of errors, one for each address.
    seen: list[BaseException] = [error]
    while seen:
        current = seen.pop(0)
        yield current
        if isinstance(current, BaseExceptionGroup):
            seen.extend(current.exceptions)
        seen.extend(cause for cause in (current.__cause__, current.__context__) if cause is not None)
