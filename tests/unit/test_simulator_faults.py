"""The fault switches of the simulated Target."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from connector.errors import SettingError
from connector.simulator.faults import INSTEAD, Fault, FaultKind, Faults


class Clock:
    """A clock that tests set."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        """Tell the time."""
        return self.now


def strikes(faults: Faults, calls: int) -> list[str | None]:
    """What strikes each of so many updates."""
    struck = (faults.strike(INSTEAD, "update") for _ in range(calls))
    return [None if fault is None else fault.kind.value for fault in struck]


def test_a_fault_strikes_the_next_n_calls() -> None:
    """After its count it never strikes again, and is no longer listed."""
    faults = Faults(Clock())
    faults.add("503", times=2)
    assert strikes(faults, 3) == ["503", "503", None]
    assert faults.active() == []


def test_a_fault_lasts_for_its_seconds() -> None:
    """It strikes until its time is over and not at that moment."""
    clock = Clock()
    faults = Faults(clock)
    faults.add(FaultKind.SERVER_ERROR, seconds=10)
    clock.now += 9.9
    assert strikes(faults, 2) == ["500", "500"]
    clock.now += 0.1
    assert strikes(faults, 1) == [None]


def test_a_probability_strikes_some_calls_and_the_same_ones_each_time() -> None:
    """The same seed gives the same faults; another one gives others."""
    first, second, other = Faults(Clock(), 1), Faults(Clock(), 1), Faults(Clock(), 2)
    for faults in (first, second, other):
        faults.add("garbage", probability=0.2)
    struck = strikes(first, 200)
    assert struck == strikes(second, 200)
    assert struck != strikes(other, 200)
    assert 15 < struck.count("garbage") < 70


def test_only_a_call_that_is_struck_uses_up_a_time() -> None:
    """`times` counts strikes, not chances."""
    faults = Faults(Clock())
    faults.add("503", times=3, probability=0.3)
    assert strikes(faults, 100).count("503") == 3


def test_the_earliest_switch_strikes_first() -> None:
    """Faults that could strike the same call do so one after the other."""
    faults = Faults(Clock())
    faults.add("503", times=1)
    faults.add("401", times=1)
    assert strikes(faults, 3) == ["503", "401", None]


def test_a_fault_concerns_one_kind_of_call() -> None:
    """A fault on statuses leaves updates alone and keeps its times."""
    faults = Faults(Clock())
    faults.add("503", on="status", times=1)
    assert strikes(faults, 1) == [None]
    assert faults.strike(INSTEAD, "status") is not None


def test_poison_strikes_only_batches_with_its_id() -> None:
    """Other batches neither suffer nor use it up."""
    faults = Faults(Clock())
    faults.add("poison", profile_id="bad", times=1)
    found = [faults.strike({FaultKind.POISON}, "update", ids=ids) for ids in ({"good"}, None, {"bad"}, {"bad"})]
    assert [fault is not None for fault in found] == [False, False, True, False]


def test_clear_switches_everything_off() -> None:
    """After that nothing strikes."""
    faults = Faults(Clock())
    faults.add("503")
    assert [fault.kind for fault in faults.active()] == ["503"]
    faults.clear()
    assert strikes(faults, 1) == [None]


@pytest.mark.parametrize(
    ("switch", "text"),
    [
        pytest.param({"kind": "504"}, "kind: Input should be 'slow', 'cut_before'", id="an unknown kind"),
        pytest.param({"times": 1}, "kind: Field required", id="no kind"),
        pytest.param({"kind": "503", "time": 1}, "time: Extra inputs are not permitted", id="an unknown name"),
        pytest.param({"kind": "503", "times": 0}, "times: Input should be greater than or equal to 1", id="no times"),
        pytest.param({"kind": "503", "seconds": -1}, "seconds: Input should be greater than 0", id="negative time"),
        pytest.param({"kind": "503", "probability": 1.5}, "probability: Input should be", id="over certainty"),
        pytest.param({"kind": "503", "on": "fetch"}, "on: Input should be 'update' or 'status'", id="an unknown call"),
        pytest.param({"kind": "poison"}, "fault: Value error, profile_id belongs to poison", id="poison without an id"),
        pytest.param({"kind": "503", "profile_id": "x"}, "fault: Value error, profile_id", id="an id without poison"),
        pytest.param(
            {"kind": "failed_row"}, "fault: Value error, profile_id belongs to", id="a failed row without an id"
        ),
        pytest.param({"kind": "forgotten"}, "forgotten concerns batchStatus only", id="an update that is forgotten"),
        pytest.param({"kind": "cut_after", "on": "status"}, "fault: Value error, cut_after", id="nothing to apply"),
        pytest.param(
            {"kind": "503", "on": "status", "min_rows": 2}, "fault: Value error, min_rows", id="a status has no rows"
        ),
        pytest.param(["503"], "fault: Input should be a valid dictionary", id="no object"),
    ],
)
def test_a_switch_that_makes_no_sense_is_refused(switch: object, text: str) -> None:
    """The error names the place in one line, and nothing is switched on."""
    faults = Faults(Clock())
    with pytest.raises(SettingError, match=text) as refused:
        faults.read(switch)
    assert "\n" not in str(refused.value)
    assert faults.active() == []


def test_the_poisoned_id_is_not_shown() -> None:
    """Neither the text form of a fault nor its error holds the id."""
    fault = Fault(kind=FaultKind.POISON, profile_id="secret-id")
    assert "secret-id" not in f"{fault} {fault!r} {fault.model_dump()}"
    with pytest.raises(SettingError) as refused:
        Faults(Clock()).add("poison", profile_id={"secret-id": 1})
    with pytest.raises(ValidationError) as invalid:
        Fault(kind=FaultKind.UNAVAILABLE, profile_id="secret-id")
    assert "secret-id" not in f"{refused.value} {invalid.value}"
