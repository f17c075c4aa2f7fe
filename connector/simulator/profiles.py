"""The stored profiles of the simulated account.

Owns what each profile holds and what a batch does to it, under both readings of Adobe's sentence that of two v2
batches "the later one overrides the properties updated by the first" while no mbox call came in between
(profile-bulk-api.md): `replace`, the later row takes the place of the whole pending set, or `merge`, only of the
attributes that it names. Promises that an attribute without a value is never touched. Pure: the time is passed in.
Called by `account`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal, NamedTuple

from connector.simulator.eviction import beyond

if TYPE_CHECKING:
    from collections.abc import Iterator

Reading = Literal["replace", "merge"]


class _Newest(NamedTuple):
    """The last row of a profile: its number and time, and the highest version of all rows."""

    number: int
    highest: int | None
    at: float


class ProfileStore(Mapping[str, dict[str, str]]):
    """Id to attributes: what Target would answer now; each look-up gives a dictionary of its own.

    Args:
        reading: what a batch does to the pending attributes of an earlier one.
        version_attribute: an attribute that holds an integer which never decreases if batches arrive in order.

    Attributes:
        written: rows so far; the number of the newest one.
        duplicate_rows: rows that changed nothing, as after a batch that was sent twice.
        evicted: attributes that went because their profile was over its limit.
        reversals: how many rows lowered the version attribute of their profile, by the time of the last row before
            them, their own time, and their batch.
    """

    def __init__(self, reading: Reading = "replace", version_attribute: str | None = None) -> None:
        self._merge = reading == "merge"
        self._version_attribute = version_attribute
        self._modified: dict[str, float] = {}  # every profile there is, with the time of its last change
        self._committed: dict[str, dict[str, str]] = {}  # what an mbox call has made part of the profile
        self._pending: dict[str, dict[str, str]] = {}  # what came since then
        self._newest: dict[str, _Newest] = {}  # oldest row first
        self.written = 0
        self.duplicate_rows = 0
        self.evicted = 0
        self.reversals: Counter[tuple[float, float, str]] = Counter()

    def __getitem__(self, profile_id: str) -> dict[str, str]:
        self._modified[profile_id]  # KeyError, as a mapping's caller expects
        return {**self._committed.get(profile_id, {}), **self._pending.get(profile_id, {})}

    def __iter__(self) -> Iterator[str]:
        return iter(self._modified)

    def __len__(self) -> int:
        return len(self._modified)

    def __contains__(self, profile_id: object) -> bool:
        return profile_id in self._modified

    def modified(self, profile_id: str) -> float:
        """When the profile last changed, as the time was passed in; KeyError if there is none."""
        return self._modified[profile_id]

    def apply(self, rows: Mapping[str, Mapping[str, str]], now: float, *, create: bool = True, batch: str = "") -> int:
        """Take in the rows of one batch.

        Args:
            rows: for each id the attributes that have a value; a row without any is left out.
            now: the time.
            create: whether an unknown profile is created (v2) or left out (v1).
            batch: its id, for `reversals`.

        Returns:
            How many profiles were not found.
        """
        not_found = 0
        # A loop over rows, about 1 µs each: the store is a dictionary, and this is no part of the service.
        for profile_id, attributes in rows.items():
            if profile_id not in self._modified and not create:
                not_found += 1
            elif attributes:
                self._write(profile_id, attributes, now, batch)
        return not_found

    def since(self, number: int) -> Iterator[tuple[str, int | None]]:
        """The profiles that rows after that number wrote, with the highest version that was ever written.

        Takes as long as there are such profiles, however many there are in all.
        """
        for profile_id in reversed(self._newest):
            newest = self._newest[profile_id]
            if newest.number <= number:
                return
            yield profile_id, newest.highest

    def visit(self, profile_id: str, now: float) -> None:
        """An mbox call: what is pending becomes part of the profile, which is created if there was none."""
        self._committed[profile_id] = _newer(self._committed.get(profile_id, {}), self._pending.pop(profile_id, {}))
        self._modified.setdefault(profile_id, now)

    def _write(self, profile_id: str, attributes: Mapping[str, str], now: float, batch: str) -> None:
        committed = self._committed.get(profile_id, {})
        pending = self._pending.get(profile_id, {})
        updated = _newer(pending, attributes) if self._merge else dict(attributes)
        before = {**committed, **pending} if committed else pending
        for name in beyond(_newer(committed, updated) if committed else updated):
            self.evicted += 1
            committed.pop(name, None)
            updated.pop(name, None)
        after = {**committed, **updated} if committed else updated
        self._pending[profile_id] = updated
        then = self._note(profile_id, attributes, now)
        if before == after and profile_id in self._modified:
            self.duplicate_rows += 1
            return
        self._modified[profile_id] = now
        old, new = self._version(before), self._version(after)
        if old is not None and new is not None and new < old:
            self.reversals[then, now, batch] += 1

    def _note(self, profile_id: str, attributes: Mapping[str, str], now: float) -> float:
        """Count a row; when the last one before it came."""
        self.written += 1
        before = self._newest.pop(profile_id, _Newest(0, None, now))
        versions = (before.highest, self._version(attributes))
        highest = max((version for version in versions if version is not None), default=None)
        self._newest[profile_id] = _Newest(self.written, highest, now)
        return before.at

    def _version(self, attributes: Mapping[str, str]) -> int | None:
        """The integer of the version attribute; None for what is no integer, which compares with nothing."""
        try:
            return None if self._version_attribute is None else int(attributes[self._version_attribute])
        except (KeyError, ValueError):
            return None


def _newer(held: Mapping[str, str], attributes: Mapping[str, str]) -> dict[str, str]:
    """Write attributes over those that are held; the oldest stand first."""
    if not held:
        return dict(attributes)
    return {**{name: value for name, value in held.items() if name not in attributes}, **attributes}
