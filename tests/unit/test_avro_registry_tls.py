from __future__ import annotations

import datetime as dt
import ipaddress
import ssl
from typing import TYPE_CHECKING

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from connector.avro.registry_access import RegistryAccess, RegistryOptions
from connector.avro.schema_keys import Kind, SchemaKey
from connector.telemetry import Part
from tests.troubles import Troubles

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


class GaveUpError(Exception):
    """Ends what would wait for ever."""


@pytest.fixture(scope="module")
def pem(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for 127.0.0.1 that is its own authority, with its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "registry")])
    now = dt.datetime.now(dt.UTC)
    day = dt.timedelta(days=1)
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now - day, now + day)
    certificate = (
        builder.add_extension(address, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "registry.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM) + private)
    return path


@pytest.fixture
async def url(pem: Path) -> AsyncIterator[str]:
    """A registry that speaks TLS only, and only with clients whose certificate it trusts."""

    async def answer(request: web.Request) -> web.Response:
        return web.json_response({"schema": '"string"'})

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(pem))
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(pem)
    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    yield f"https://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


async def _ask(options: RegistryOptions) -> str | None:
    """Ask for a schema; gives what the operator was told, or None where it was there at once."""

    async def give_up(_seconds: float) -> None:
        raise GaveUpError

    heard = Troubles(Part.REGISTRY)
    access = RegistryAccess(options.client(), telemetry=heard, sleep=give_up)
    try:
        schema = await access.schema(SchemaKey(Kind.NUMBER, b"\x00\x00\x00\x01"))
        assert schema is not None
        assert schema.schema_str == '"string"'
    except GaveUpError:
        return heard.said[0]
    finally:
        await access.close()
    return None


async def test_a_registry_of_a_known_authority_is_asked(url: str, pem: Path) -> None:
    """With the authority's file and a certificate of our own, key and certificate in one file, it answers."""
    assert await _ask(RegistryOptions(url, ca_file=str(pem), cert_file=str(pem))) is None


async def test_the_key_may_have_a_file_of_its_own(url: str, pem: Path) -> None:
    """A key file beside the certificate file works as well."""
    assert await _ask(RegistryOptions(url, ca_file=str(pem), cert_file=str(pem), key_file=str(pem))) is None


async def test_a_registry_of_an_unknown_authority_is_not_trusted(url: str, pem: Path) -> None:
    """Without its file, nothing is sent, and the operator is told."""
    told = await _ask(RegistryOptions(url, cert_file=str(pem)))
    assert told is not None
    assert "does not answer (ConnectError)" in told


async def test_a_registry_that_wants_a_certificate_is_in_trouble_without(url: str, pem: Path) -> None:
    """A missing certificate is waited out like a registry that is down."""
    told = await _ask(RegistryOptions(url, ca_file=str(pem)))
    assert told is not None
    assert "does not answer" in told
