"""The simulator as demo, tests and the command `simulate-target` use it.

Owns the HTTP server and puts the parts together. Promises that stopping keeps the state, so that a stop and a start
on the same port is an outage of Target. Nothing is opened before `start`.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from aiohttp import web

from connector.simulator.account import Account, SimulatorOptions, Summary
from connector.simulator.admin_api import AdminApi
from connector.simulator.adobe_api import AdobeApi
from connector.simulator.faults import Faults

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_STOP_BOUND_S = 0.5  # a `slow` call must not hold up the end of a test


class Simulator:
    """A simulated Adobe Target on an address of its own.

    Args:
        options: what kind of account; by default `acme` with 50 calls a minute and without authentication.
        clock: seconds that never decrease.
        wall: seconds since 1970, read once.

    Attributes:
        faults: what goes wrong on purpose.
    """

    def __init__(
        self,
        options: SimulatorOptions | None = None,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        options = options or SimulatorOptions()
        self.faults = Faults(clock, options.seed)
        self._account = Account(options, clock)
        self._epoch_s = wall() - clock()
        self._runner: web.AppRunner | None = None

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> str:
        """Serve, and give the base URL; port 0 takes a free one.

        Raises:
            OSError: the address cannot be had.
        """
        application = web.Application()
        application.add_routes(AdobeApi(self._account, self.faults, self._epoch_s).routes())
        application.add_routes(AdminApi(self._account, self.faults, self._epoch_s).routes())
        # A compressed body must be seen as it came, to be refused. No access log: addresses hold ids.
        runner = web.AppRunner(
            application, access_log=None, auto_decompress=False, shutdown_timeout=_STOP_BOUND_S, handle_signals=False
        )
        await runner.setup()
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError:
            await runner.cleanup()
            raise
        self._runner = runner
        address = runner.addresses[0]
        return f"http://{host}:{address[1]}"

    async def stop(self) -> None:
        """Serve no more and close all connections; the state stays. Does nothing if it is not serving."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    @property
    def profiles(self) -> Mapping[str, dict[str, str]]:
        """Id to attributes, as Target would answer now."""
        return self._account.profiles

    def summary(self) -> Summary:
        """What happened so far."""
        return self._account.summary()

    def visit(self, profile_id: str) -> None:
        """An mbox call of this visitor: what is pending becomes part of the profile."""
        self._account.visit(profile_id)

    def hold_ingestion(self) -> None:
        """From now on batches are accepted and not ingested, until they are released."""
        self._account.held = True

    def release_ingestion(self) -> None:
        """Ingest again, what is due at once."""
        self._account.held = False

    def change_token(self, token: str | None) -> None:
        """From now on calls must carry this token; None switches authentication off."""
        self._account.token = token
