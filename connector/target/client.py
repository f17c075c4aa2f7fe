"""One batch to the Bulk Profile Update API: the thin edge between `delivery` and the network.

Whatever happens, the caller gets an `Answer`. How strict a call is, `session` says.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

from connector.errors import SettingError
from connector.target.addresses import keeps_secrets
from connector.target.answer import Answer, Outcome, judge
from connector.target.session import FAILURES, Session

if TYPE_CHECKING:
    from pathlib import Path

    from connector.target.auth import TokenFile
    from connector.target.session import Body

MAX_ANSWER_BYTES = 64 * 1024  # Target's answers are under 1 kB; a proxy's error page may be longer, and is cut
FORM = "application/x-www-form-urlencoded"


class Client(Protocol):
    """What delivery needs of the network."""

    async def post(self, body: Body) -> Answer:
        """Send one batch; never raises for what the network or Target does."""


class HttpClient:
    """Target's endpoint of one client code and API version."""

    def __init__(
        self,
        base_url: str,
        client: str,
        *,
        timeout_s: float,
        token: TokenFile | None = None,
        ca_file: Path | None = None,
    ) -> None:
        """Make a client; must be called on the running event loop.

        Args:
            base_url: scheme and host; the settings allow plain http for loopback addresses only.
            client: the client code, which is in the path as well as in the host.
            timeout_s: for one call from beginning to end.
            token: sent with every call, if given.
            ca_file: certificates to trust beside the system's own.

        Raises:
            SettingError: `ca_file` can't be used, or a token would go over plain http to another machine.
        """
        if token is not None and not keeps_secrets(base_url):  # the settings refuse any such address already
            raise SettingError("target.base_url: a token goes only over https; write https://")
        self._url = f"{base_url.rstrip('/')}/m2/{client}/v2/profile/batchUpdate"
        self._timeout_s = timeout_s
        self._session = Session(timeout_s=timeout_s, token=token, ca_file=ca_file, content_type=FORM)

    async def post(self, body: Body) -> Answer:
        """See Client."""
        try:
            reply = await self._session.call("POST", self._url, max_bytes=MAX_ANSWER_BYTES, data=body)
        except TimeoutError:
            return Answer(Outcome.UNAVAILABLE, f"no answer within {self._timeout_s:g} s, target.timeout")
        except FAILURES as error:
            return Answer(Outcome.UNAVAILABLE, f"the call failed: {type(error).__name__}")
        answer = judge(reply.status, reply.headers, reply.body, datetime.now(UTC))
        if answer.outcome is Outcome.ACCEPTED and reply.sent_bytes < len(body):
            return Answer(Outcome.UNAVAILABLE, f"{answer.text} before the batch was sent to its end")
        return answer

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()
