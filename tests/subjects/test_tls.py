"""Certificates that are made for the test, by the openssl of this machine."""

import ssl
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from actions.errors import ConfigurationError
from actions.subjects.transport import Call, Deadlines, NotSentError, Tls, Transport, UnreachableError, Why
from tests.subjects.loopback import Server, answering, replying

pytestmark = pytest.mark.real

READ = Call(path="/state", deadlines=Deadlines.probing(3.0))
WRITE = Call(path="/change", body=b"{}", deadlines=Deadlines.probing(3.0))


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("tls")
    subprocess.run(  # noqa: S603 - fixed arguments, into a directory of our own
        [
            *(
                "openssl",
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:P-256",
                "-nodes",
                "-days",
                "2",
            ),
            *("-subj", "/CN=etcd", "-addext", "subjectAltName=IP:127.0.0.1"),
            *("-keyout", str(place / "key.pem"), "-out", str(place / "cert.pem")),
        ],
        check=True,
        capture_output=True,
    )
    return place


@pytest_asyncio.fixture
async def server(certificates: Path) -> AsyncIterator[Server]:
    """A server that asks for a certificate, and takes only the one that it has itself."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=certificates / "cert.pem")
    context.load_cert_chain(certificates / "cert.pem", certificates / "key.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    async with answering(replying("200 OK", b"well"), tls=context) as running:
        yield running


async def test_both_sides_show_their_certificate(server: Server, certificates: Path) -> None:
    cert, key = certificates / "cert.pem", certificates / "key.pem"
    transport = Transport(tls=Tls(ca_file=cert, cert_file=cert, key_file=key))

    assert (await transport.read([server.url], READ)).body == b"well"
    assert (await transport.write(server.url, WRITE)).body == b"well"


async def test_a_server_that_nobody_vouches_for_gets_nothing(server: Server) -> None:
    with pytest.raises(UnreachableError) as read:
        await Transport().read([server.url], READ)
    with pytest.raises(NotSentError) as write:
        await Transport().write(server.url, WRITE)

    assert (read.value.why, write.value.why) == (Why.TLS, Why.TLS)
    assert server.requests == []


def test_a_key_that_does_not_fit_is_a_mistake_in_the_configuration(certificates: Path) -> None:
    cert = certificates / "cert.pem"

    with pytest.raises(ConfigurationError, match=r"cert\.pem"):
        Tls(ca_file=cert, cert_file=cert, key_file=cert).context()
