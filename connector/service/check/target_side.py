"""The token, and whether Target's address speaks TLS as it must; no batch is posted and no token sent."""

from __future__ import annotations

import asyncio
import os
import ssl
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from connector.errors import SettingError
from connector.service.check.findings import Finding, unsure, well, wrong
from connector.target.auth import TokenFile
from connector.target.expiry import ExpiryFile
from connector.target.session import CONNECT_TIMEOUT_S, tls_context

if TYPE_CHECKING:
    from connector.service.sections import TargetSettings

SOON: Final = timedelta(days=7)  # as the warning in the log
_NAME: Final = "Target"


async def look(given: TargetSettings, now: datetime | None = None) -> list[Finding]:
    """See to both."""
    return [*_token(given, now or datetime.now(UTC)), await _reach(given)]


def _token(given: TargetSettings, now: datetime) -> list[Finding]:
    if given.token_file is None:
        return [well("token", "none; the account must not demand one")]
    try:
        TokenFile(given.token_file)
        expires = None if given.token_expires_file is None else ExpiryFile(given.token_expires_file).read()
    except SettingError as error:
        return [wrong("token", str(error))]
    if expires is None:
        return [well("token", "can be read; when it expires is not told (target.token_expires_file)")]
    at = f"{expires.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    if expires <= now:
        return [wrong("token", f"expired {at}", "make a new one in Target and mount it")]
    if expires - now < SOON:
        return [unsure("token", f"expires {at}", "make a new one in Target and mount it, soon")]
    return [well("token", f"expires {at}")]


async def _reach(given: TargetSettings) -> Finding:
    parts = urlsplit(given.base_url)
    host, secure = parts.hostname or "", parts.scheme == "https"
    port = parts.port or (443 if secure else 80)
    where = f"{host}:{port}"
    try:
        tls = tls_context(given.ca_file) if secure else None
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            _, writer = await asyncio.open_connection(host, port, ssl=tls)
    except SettingError as error:
        return wrong(_NAME, str(error))
    except ssl.SSLCertVerificationError as error:
        return wrong(_NAME, f"the certificate of {where} is not trusted: {error.verify_message}", "see target.ca_file")
    except TimeoutError:
        return wrong(_NAME, f"{where} does not answer within {CONNECT_TIMEOUT_S:.0f} s", "open the firewall to it")
    except ssl.SSLError as error:
        why = (error.reason or "").replace("_", " ").lower() or type(error).__name__
        return wrong(_NAME, f"{where} does not speak TLS as it must: {why}", "correct target.base_url, or its proxy")
    except OSError as error:  # gaierror is one
        # Of a connection asyncio says which call failed, and not why.
        known = os.strerror(error.errno) if isinstance(error, ConnectionError) and error.errno else error.strerror
        why = known or type(error).__name__
        return wrong(_NAME, f"{where} can't be reached: {why}", "correct target.client or target.base_url")
    writer.close()
    version = writer.get_extra_info("ssl_object")
    return well(_NAME, f"{where} answers, {version.version()}" if version else f"{where} answers, without TLS")
