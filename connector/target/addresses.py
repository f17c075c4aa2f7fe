"""Which addresses a call, and with it the token, may go to.

Target names the address of a batch's status in its answer, over plain http and on another host than the batch was
posted to (AdobeDocs profile-bulk-api.md), so an answer decides where the token goes. Promises that this is only ever
Target itself, over TLS. Pure; asked by the settings for the configured address, and by `following` and `client` for
every other. Whatever is not understood by the one expression below is refused: what two parsers read differently
never gets as far as a second one.
"""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import Final, NewType
from urllib.parse import urlsplit

Address = NewType("Address", str)  # one that a call with the token may go to
_HTTPS_PORT: Final = 443
_DEFAULT_PORTS: Final = {"http": 80, "https": _HTTPS_PORT}
# An authority without user name, host names of letters, digits, dots and hyphens (no IDN: Target has none), and below
# it what Adobe's addresses consist of. No backslash, white space, control or `@`, so that nothing can hide a host.
_STATUS_URL: Final = re.compile(
    r"(?P<scheme>(?i:https?))://(?P<host>[A-Za-z0-9.-]+|\[[0-9a-fA-F:.]+\])(?::(?P<port>[0-9]{1,5}))?"
    r"(?P<path>/m2/[A-Za-z0-9._/-]+)(?P<query>\?[A-Za-z0-9._~%=&+:-]*)?",
    re.ASCII,
)
_BATCH_ID: Final = re.compile(r"[?&]batchId=([\w.~%+:-]{1,100})(?:&|$)", re.ASCII)  # Target's have 30 characters
_LABEL: Final = r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?"
_TARGETS_HOST: Final = re.compile(rf"(?:{_LABEL}\.)+tt\.omtrdc\.net", re.ASCII)


def is_loopback(host: str) -> bool:
    """Returns whether a host's name or address can only mean this machine."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def keeps_secrets(url: str) -> bool:
    """Returns whether a token may go to this address at all: over TLS, or to this machine."""
    parts = urlsplit(url)
    return parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname or ""))


def batch_id(status_url: str | None) -> str | None:
    """Target's name of a batch, opaque and safe to show, from the address of its status; None if that holds none."""
    found = _BATCH_ID.search(status_url or "")
    return None if found is None else found[1]


def status_address(url: str, base_url: str) -> Address | None:
    """The address at which a batch's status may be asked for, or None if Target's answer names no such one.

    Args:
        url: as an answer to batchUpdate holds it.
        base_url: scheme, host and port of the settings; plain http for loopback addresses only.

    Returns:
        The same address with path and query as Target wrote them, over https; over http only where it is the very
        host and port of a `base_url` that is over http.
    """
    found = _STATUS_URL.fullmatch(url)
    if found is None or ".." in found["path"]:
        return None
    host, asked = found["host"].lower(), found["scheme"].lower()
    port = int(found["port"] or _DEFAULT_PORTS[asked])
    below = found["path"] + (found["query"] or "")
    base = urlsplit(base_url)
    # Target writes http where it should be https: then the port that http has by default is no other one.
    ports = {_HTTPS_PORT, _DEFAULT_PORTS[asked]}
    base_port = base.port or _DEFAULT_PORTS[base.scheme]
    if host.strip("[]") == base.hostname and (port == base_port or (base_port == _HTTPS_PORT and port in ports)):
        return Address(f"{base.scheme}://{base.netloc}{below}")
    if _TARGETS_HOST.fullmatch(host) and port in ports:
        return Address(f"https://{host}{below}")
    return None
