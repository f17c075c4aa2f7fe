"""What goes wrong on purpose.

Owns the fault switches: which fault strikes which call, for the next N calls, for S seconds, with a probability, or
until it is cleared. Promises that a fault beyond its count or time never strikes, and that the same seed and calls
give the same faults. Switched by tests, the demo and `admin_api`; asked by `adobe_api`.
"""

from __future__ import annotations

import random
from enum import StrEnum
from typing import TYPE_CHECKING, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from connector.errors import SettingError

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Sequence

Path = Literal["update", "status"]


class FaultKind(StrEnum):
    """A closed list, shown in the docs."""

    SLOW = "slow"  # wait, then go on as usual; nothing is applied if the sender hung up meanwhile
    CUT_BEFORE = "cut_before"  # read the request, apply nothing, close the connection
    CUT_AFTER = "cut_after"  # apply the batch, close the connection without an answer
    UNAVAILABLE = "503"
    SERVER_ERROR = "500"
    BAD_REQUEST = "400"  # what Target may say instead of `<success>false</success>`
    UNAUTHORIZED = "401"
    FORBIDDEN = "403"
    TOO_LARGE = "413"
    THROTTLED = "429"  # with Retry-After, as a proxy would
    REDIRECT = "redirect"  # 302 to `location`
    SUCCESS_FALSE = "success_false"  # HTTP 200 that says `<success>false</success>`
    GARBAGE = "garbage"  # HTTP 200 with a page that is no answer of Target
    POISON = "poison"  # refuse each batch that has a row of `profile_id`
    STUCK = "stuck"  # accept the batch, never ingest it
    FAILED_ROW = "failed_row"  # accept the batch, leave out the row of `profile_id`, and say so in the status
    FORGOTTEN = "forgotten"  # the status of the batch is not known any more


# Those that take the place of Target's own answer.
INSTEAD = frozenset(FaultKind) - {
    FaultKind.SLOW,
    FaultKind.CUT_AFTER,
    FaultKind.POISON,
    FaultKind.STUCK,
    FaultKind.FAILED_ROW,
    FaultKind.FORGOTTEN,
}
_OF_ONE_ROW = (FaultKind.POISON, FaultKind.FAILED_ROW)
_OF_UPDATES_ONLY = (
    FaultKind.BAD_REQUEST,
    FaultKind.CUT_AFTER,
    FaultKind.TOO_LARGE,
    FaultKind.SUCCESS_FALSE,
    FaultKind.POISON,
    FaultKind.STUCK,
    FaultKind.FAILED_ROW,
)


class Fault(BaseModel):
    """One switch, checked.

    Attributes:
        kind: what happens.
        on: the calls it concerns: batchUpdate or batchStatus.
        times: how often it strikes; None for any number.
        seconds: how long it lasts; None for ever.
        probability: how likely it strikes a call that it could strike.
        min_rows: it spares smaller batches; with 2 or more, the search for refused rows finds none by a fault.
        delay_s: for `slow`.
        retry_after_s: for `429`.
        location: for `redirect`.
        profile_id: for `poison` and `failed_row`.
    """

    # Neither an error nor a log may show the id of a poisoned row.
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    kind: FaultKind
    on: Path = "update"
    times: int | None = Field(None, ge=1)
    seconds: float | None = Field(None, gt=0)
    probability: float = Field(1.0, gt=0, le=1)
    min_rows: int = Field(0, ge=0)
    delay_s: float = Field(1.0, ge=0)
    retry_after_s: int = Field(5, ge=0)
    location: str = "http://elsewhere.invalid/"
    profile_id: str | None = Field(None, repr=False, exclude=True)

    @model_validator(mode="after")
    def _fits_its_kind(self) -> Self:
        if (self.profile_id is not None) != (self.kind in _OF_ONE_ROW):
            raise ValueError("profile_id belongs to poison and failed_row, which need it")
        if self.on == "update" and self.kind is FaultKind.FORGOTTEN:
            raise ValueError("forgotten concerns batchStatus only")
        if self.on == "status" and (self.kind in _OF_UPDATES_ONLY or self.min_rows):
            raise ValueError(f"{'min_rows' if self.min_rows else self.kind} concerns batchUpdate only")
        return self


class Faults:
    """The switches that are on, in the order they were added.

    Args:
        clock: seconds that never decrease.
        seed: of the faults that strike with a probability.
    """

    def __init__(self, clock: Callable[[], float], seed: int = 0) -> None:
        self._clock = clock
        self._random = random.Random(seed)  # noqa: S311 - chooses faults, not secrets
        self._switches: list[_Switch] = []

    def add(self, kind: FaultKind | str, **switch: object) -> None:
        """Switch a fault on; the names are those of `Fault`.

        Raises:
            SettingError: an unknown kind or name, or a value that makes no sense.
        """
        self.read({"kind": kind, **switch})

    def read(self, switch: object) -> None:
        """Switch a fault on as decoded JSON describes it; raises as `add`."""
        try:
            fault = Fault.model_validate(switch)
        except ValidationError as error:
            first = error.errors(include_input=False)[0]
            place = ".".join(map(str, first["loc"])) or "fault"
            raise SettingError(f"{place}: {first['msg']}") from None
        until = None if fault.seconds is None else self._clock() + fault.seconds
        self._switches.append(_Switch(fault, fault.times, until))

    def clear(self) -> None:
        """Switch all faults off."""
        self._switches.clear()

    def active(self) -> Sequence[Fault]:
        """The faults that may still strike."""
        self._forget_spent()
        return [switch.fault for switch in self._switches]

    def strike(
        self, kinds: Container[FaultKind], on: Path, rows: int = 0, ids: Container[str] | None = None
    ) -> Fault | None:
        """The first fault of these kinds that strikes a call now, counted as one of its times.

        Args:
            kinds: the kinds to look for.
            on: what is being called.
            rows: how many the batch has.
            ids: the ids of the batch, for a fault that waits for one; such a fault strikes no other batch.
        """
        self._forget_spent()
        for switch in self._switches:
            fault = switch.fault
            if fault.kind not in kinds or fault.on != on or rows < fault.min_rows:
                continue
            if fault.profile_id is not None and (ids is None or fault.profile_id not in ids):
                continue
            if fault.probability < 1 and self._random.random() >= fault.probability:
                continue
            if switch.left is not None:
                switch.left -= 1
            return fault
        return None

    def _forget_spent(self) -> None:
        now = self._clock()
        self._switches = [
            s for s in self._switches if (s.left is None or s.left > 0) and (s.until is None or now < s.until)
        ]


class _Switch:
    """A fault with what is left of it."""

    __slots__ = ("fault", "left", "until")

    def __init__(self, fault: Fault, left: int | None, until: float | None) -> None:
        self.fault = fault
        self.left = left
        self.until = until
