"""Puts together what talks to Target: delivery, following, settling, the token's expiry. A part of `composition`."""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from connector.service.units import duration_text
from connector.settling import AtOnce, Patience, WhenComplete
from connector.target import batchfile, expiry
from connector.target.auth import TokenFile
from connector.target.budget import Budget
from connector.target.client import HttpClient
from connector.target.delivery import Delivery, Pace
from connector.target.following import Following
from connector.target.status_client import HttpStatusClient
from connector.target.watchlist import Ration, Watchlist

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

    from connector.kafka.offsets import Ledger
    from connector.service.sections import TargetSettings
    from connector.settling import Settling
    from connector.telemetry import Telemetry

    Clock = Callable[[], float]


@dataclass(frozen=True, slots=True)
class TargetSide:
    """What talks to Target.

    Attributes:
        delivery: sends batches.
        settling: says when the offsets of a batch may pass.
        following: knows what became of them; None if the settings want none.
        clients: what has to be closed.
        beside: what runs as long as the pipeline does.
    """

    delivery: Delivery
    settling: Settling
    following: Following | None
    clients: list[HttpClient | HttpStatusClient]
    beside: list[Callable[[], Coroutine[Any, Any, None]]]

    async def close(self) -> None:
        """Close the connections."""
        for client in self.clients:
            await client.close()


def make_target_side(
    given: TargetSettings, ledger: Ledger, telemetry: Telemetry, *, extension: bool = True
) -> TargetSide:
    """Make the parts; must be called on the running event loop. `extension` is whether that may be used.

    Raises:
        SettingError: a file that the settings name can't be used.
    """
    beside = _expiry_watch(given, telemetry)  # what may be wrong first, before anything is opened
    budget, clock = Budget(given.calls_per_minute), _steady_time_of_day()
    token = None if given.token_file is None else TokenFile(given.token_file)
    client = HttpClient(given.base_url, given.client, timeout_s=given.timeout, token=token, ca_file=given.ca_file)
    clients: list[HttpClient | HttpStatusClient] = [client]
    following = None
    if given.follow:
        asking = HttpStatusClient(timeout_s=given.timeout, token=token, ca_file=given.ca_file)
        following = _following(given, asking, budget, telemetry, clock)
        clients.append(asking)
        beside.append(following.run)
    settling = _settling(given, ledger, following, clock)
    delivery = Delivery(
        client,
        budget,
        batchfile.Limits(given.id_type),
        Pace(throttle_hold_s=given.throttle_hold),
        telemetry,
        clock=clock,
        sleep=asyncio.sleep,
        random=random.Random(),  # noqa: S311 (jitter of waits, no secret)
        follower=settling,
        body=partial(batchfile.Body, extension=extension),
    )
    return TargetSide(delivery, settling, following, clients, beside)


def _expiry_watch(given: TargetSettings, telemetry: Telemetry) -> list[Callable[[], Coroutine[Any, Any, None]]]:
    if given.token_expires_file is None:
        return []
    file = expiry.ExpiryFile(given.token_expires_file)
    return [partial(expiry.watch, file, telemetry, now=partial(datetime.now, UTC), sleep=asyncio.sleep)]


def _following(
    given: TargetSettings, client: HttpStatusClient, budget: Budget, telemetry: Telemetry, clock: Clock
) -> Following:
    return Following(
        client,
        budget,
        Ration(given.calls_per_minute),
        Watchlist(given.follow_after),
        telemetry,
        base_url=given.base_url,
        hold_s=given.throttle_hold,
        clock=clock,
        sleep=asyncio.sleep,
    )


def _settling(given: TargetSettings, ledger: Ledger, following: Following | None, clock: Clock) -> Settling:
    if given.commit_on == "accepted" or following is None:  # the settings refuse `complete` without following
        return AtOnce(ledger, following)
    waits = given.unconfirmed
    patience = Patience(waits.batches, waits.timeout, waits.on_timeout)
    return WhenComplete(ledger, following, patience, clock, asyncio.sleep)


def _steady_time_of_day() -> Callable[[], float]:
    """Seconds since 1970, so that replicas agree on the turns of the budget; but a clock that is set makes no jump."""
    began = time.time() - time.monotonic()
    return lambda: began + time.monotonic()


def costs(given: TargetSettings) -> str:
    """What `commit_on: complete` costs, said at start."""
    waits = given.unconfirmed
    return (
        f"commit_on: complete; offsets are committed minutes to hours after acceptance, so the lag looks larger by up"
        f" to {waits.batches} batches; delivery waits while that many are unconfirmed; after a restart, a rebalance,"
        f" or {duration_text(waits.timeout)} without completion they are sent again, older values first; questions"
        " take up to a fifth of the calls"
    )
