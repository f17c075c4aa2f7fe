"""The CRM of the demo: invented customers who change, in a sequence that only the seed decides.

First everybody is written once, as a snapshot does; then customers change, a few of them very often. Each change is
the whole customer. Texts are those that break naive connectors: umlauts, other scripts, `&`, `%`, `+`, quotes, emoji.
Pure; the dates are the CRM's own. Called by `feed`.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

Change = dict[str, Any]
"""The fields of a customer, by the names of `customer-v2.avsc`, as fastavro takes them."""

_BEGAN_AT: Final = datetime(2026, 11, 1, 8, 0, tzinfo=UTC)
_BETWEEN_CHANGES: Final = timedelta(milliseconds=137)
_CENTS: Final = 2
_SKEW: Final = 2  # the first hundredth of the customers gets a tenth of the changes

_TIERS: Final = ("BRONZE", "SILVER", "GOLD", "PLATINUM")
_CHANNELS: Final = ("email", "app", "store", None)
_STORES: Final = (
    "Müller & Söhne",
    "50% Club",
    "C+A = Mode",
    "Café Noir 🎉",
    'The "Corner" Shop',
    "What's new? #1; open/late",
)
_PLACES: Final = (
    ("8010", "Graz", "AT"),
    ("80331", "München", "DE"),
    ("90-001", "Łódź", "PL"),
    ("01000-000", "São Paulo", "BR"),
    ("100-0001", "東京", "JP"),
    ("1050", "København", "DK"),
    ("104 31", "Αθήνα", "GR"),
    ("101", "Reykjavík", "IS"),
    ("67100", "L'Aquila", "IT"),
    ("11511", "القاهرة", "EG"),
)


@dataclass(frozen=True, slots=True)
class _Chance:
    """How likely a change touches a field."""

    purchase: float = 0.6
    tier: float = 0.05
    consent: float = 0.03
    store: float = 0.05
    address: float = 0.02
    channel: float = 0.3


class Crm:
    """Customers and what happens to them.

    Args:
        customers: how many there are.
        seed: the same one gives the same changes.
    """

    def __init__(self, customers: int, seed: int) -> None:
        self._count = customers
        self._random = random.Random(seed)  # noqa: S311 (invents customers, guards no secret)
        self._chance = _Chance()
        self._customers: dict[int, Change] = {}
        self._now = _BEGAN_AT

    def changes(self) -> Iterator[Change]:
        """Everybody once, in no order, then changes without end; a change is never altered later."""
        everybody = list(range(self._count))
        self._random.shuffle(everybody)
        for number in everybody:
            yield self._write(number, self._new(number))
        while True:
            number = int(self._count * self._random.random() ** _SKEW)
            yield self._write(number, self._changed(self._customers[number]))

    def _write(self, number: int, customer: Change) -> Change:
        self._now += _BETWEEN_CHANGES
        self._customers[number] = {**customer, "updated_at": self._now}
        return self._customers[number]

    def _new(self, number: int) -> Change:
        return {
            "customer_id": f"C-{number:06}",
            "version": 1,
            "tier": "BRONZE",
            "email_consent": self._random.random() < 0.5,  # noqa: PLR2004 (one in two)
            "favourite_store": self._random.choice(_STORES),
            "address": self._address(),
            "last_purchase": None,
            "basket_value": Decimal(0).scaleb(-_CENTS),
            "preferred_channel": None,
        }

    def _changed(self, customer: Change) -> Change:
        chance, dice = self._chance, self._random.random
        changed = {**customer, "version": customer["version"] + 1, "basket_value": self._basket()}
        if dice() < chance.purchase:
            changed["last_purchase"] = self._now.date()
        if dice() < chance.tier:
            changed["tier"] = self._random.choice(_TIERS)
        if dice() < chance.consent:
            changed["email_consent"] = not customer["email_consent"]
        if dice() < chance.store:
            changed["favourite_store"] = self._random.choice(_STORES)
        if dice() < chance.address:
            changed["address"] = self._address()
        if dice() < chance.channel:
            changed["preferred_channel"] = self._random.choice(_CHANNELS)
        return changed

    def _address(self) -> dict[str, str]:
        postal_code, city, country = self._random.choice(_PLACES)
        return {"postal_code": postal_code, "city": city, "country": country}

    def _basket(self) -> Decimal:
        return Decimal(int(self._random.expovariate(1 / 5_000))).scaleb(-_CENTS)  # 50.00 on average
