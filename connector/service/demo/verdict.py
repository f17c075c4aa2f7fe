"""Whether what is there is what must be there: the promises of the service, each as one line.

Pure; no line holds an id or a value. `demo` asks once at the end.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from connector.service.demo.feed import TOPIC

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from connector.records import Reason
    from connector.service.demo.evidence import Evidence, Letter
    from connector.service.demo.truth import Truth
    from connector.simulator.account import Summary

TARGETS_CALLS_PER_MINUTE: Final = 50  # of an account (AdobeDocs target-limits.md)
_NAMES_SHOWN: Final = 3


@dataclass(frozen=True, slots=True)
class Check:
    """One promise, whether it is kept, and how that is known."""

    promise: str
    kept: bool
    proof: str


def judge(truth: Truth, evidence: Evidence) -> list[Check]:
    """Hold the evidence against the truth."""
    return [
        _nothing_lost(truth.ends, evidence.committed),
        _newest_wins(truth.profiles(), evidence.profiles),
        _never_back(evidence.summary),
        _dead_letters(truth.bad, evidence.letters),
        _nothing_refused(evidence.summary),
        _account_safe(evidence.summary),
    ]


def settled(truth: Truth, committed: Mapping[int, int]) -> int:
    """How many records are below a committed offset, at most as many as there are."""
    return sum(min(committed.get(partition, 0), end) for partition, end in truth.ends.items())


def _nothing_lost(ends: Mapping[int, int], committed: Mapping[int, int]) -> Check:
    open_ = sum(max(end - committed.get(partition, 0), 0) for partition, end in ends.items())
    beyond = sum(max(offset - ends.get(partition, 0), 0) for partition, offset in committed.items())
    count = sum(ends.values())
    proof = f"{count:,} records, every offset committed"
    if open_ or beyond:
        proof = f"of {count:,} records {open_:,} are not committed; {beyond:,} offsets are beyond what was written"
    return Check("Nothing is lost", not open_ and not beyond, proof)


def _newest_wins(wanted: Mapping[str, Mapping[str, str]], found: Mapping[str, Mapping[str, str]]) -> Check:
    missing, unknown = len(wanted.keys() - found.keys()), len(found.keys() - wanted.keys())
    other = [customer_id for customer_id in wanted.keys() & found.keys() if wanted[customer_id] != found[customer_id]]
    attributes = sum(map(len, wanted.values()))
    if not (missing or unknown or other):
        proof = f"{len(wanted):,} profiles, {attributes:,} attributes equal to the newest event"
        return Check("Newest wins", kept=True, proof=proof)
    names = Counter(
        name
        for customer_id in other
        for name in wanted[customer_id].keys() | found[customer_id].keys()
        if wanted[customer_id].get(name) != found[customer_id].get(name)
    )
    where = f" (most in {', '.join(name for name, _ in names.most_common(_NAMES_SHOWN))})" if names else ""
    proof = f"of {len(wanted):,} profiles {len(other):,} differ{where}, {missing:,} are missing; {unknown:,} too many"
    return Check("Newest wins", kept=False, proof=proof)


def _never_back(summary: Summary) -> Check:
    back = summary.went_backwards
    again = f"{summary.duplicate_rows:,} of {summary.rows:,} rows came twice"
    proof = f"no profile ever showed an older version again; {again}"
    return Check("Nothing goes back", not back, f"{back:,} rows went back to an older version" if back else proof)


def _dead_letters(wanted: Mapping[tuple[int, int], Reason], letters: Sequence[Letter]) -> Check:
    found = {(one.partition, one.offset): one.reason for one in letters if one.topic == TOPIC}
    missing, unknown = len(wanted.keys() - found.keys()), len(found.keys() - wanted.keys())
    other = sum(found[place] != wanted[place] for place in wanted.keys() & found.keys())
    twice = len(letters) - len(found)
    if missing or unknown or other or twice:
        proof = (
            f"of {len(wanted):,} bad records {missing:,} are missing, {other:,} have another reason; "
            f"{unknown:,} too many, {twice:,} twice"
        )
        return Check("Dead letters", kept=False, proof=proof)
    proof = f"{len(wanted):,}, exactly the bad records, each with its reason"
    return Check("Dead letters", kept=True, proof=proof)


def _nothing_refused(summary: Summary) -> Check:
    refused = ", ".join(f"{reason} {count}" for reason, count in summary.refusals.items())
    proof = f"{summary.batches:,} batches, none that Target could read in two ways"
    return Check("A row never shifts", not refused, f"Target refused batches: {refused}" if refused else proof)


def _account_safe(summary: Summary) -> Check:
    most = summary.most_calls_in_60_s
    proof = f"{most} calls in the busiest minute, of {TARGETS_CALLS_PER_MINUTE}; {sum(summary.calls.values())} in all"
    return Check("The account is safe", most <= TARGETS_CALLS_PER_MINUTE, proof)
