"""The verdict: one list of what must be zero, from the truth, what Target holds, and what the witness has seen.

Pure. Called by `run` once everything has come to rest.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from statistics import median
from typing import TYPE_CHECKING, Any

from tests.chaos.feed import attributes
from tests.chaos.witness import broken_by_now

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.chaos.truth import Truth
    from tests.chaos.witness import Recovery, Seen

RULES = {
    "lost": "profiles that Target does not have",
    "stale": "profiles whose version is not the newest",
    "misaligned": "profiles and rows with an attribute of another, or in another's place",
    "unknown": "profiles that no good record made",
    "backwards": "rows that replaced a newer one, and whose sender was given no partitions in between",
    "ahead": "offsets that were committed before all below was settled",
    "letters_missing": "bad records without a dead letter",
    "letters_extra": "dead letters of records that are not bad",
    "letters_wrong": "dead letters with another reason than theirs",
    "over_budget": "calls beyond the budget in the busiest minute",
    "fell": "members that ended without being told to",
    "blocked": "members that stopped for a human though Target was not misconfigured",
    "exit_codes": "members that were told to stop and ended with an error",
    "unsettled": "records that were not settled and committed when the time was up",
}
MISCONFIGURED = "HTTP 302"  # the one fault that must stop a member


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is judged.

    Attributes:
        truth: what was written.
        seen: by the witness.
        profiles: what Target holds.
        summary: the simulated Target's.
        calls_per_minute: the budget.
        fell: members that ended by themselves.
        blocked: reasons for which members stopped.
        exit_codes: of members that were told to stop, after the place of each.
        unsettled: records left.
        whole: whether everything came to rest; otherwise only what can be judged at any time is.
    """

    truth: Truth
    seen: Seen
    profiles: Mapping[str, Mapping[str, str]]
    summary: Mapping[str, Any]
    calls_per_minute: int
    fell: Sequence[str]
    blocked: Sequence[str]
    exit_codes: Sequence[tuple[int, int]]
    unsettled: int
    whole: bool = True


def broken(evidence: Evidence) -> dict[str, int]:
    """How often each rule of RULES was broken."""
    truth, seen = evidence.truth, evidence.seen
    by_now = broken_by_now(seen, evidence.calls_per_minute)
    if not evidence.whole:
        return dict.fromkeys(RULES, 0) | by_now
    newest = {f"customer-{number}": version for number, version in truth.newest.items()}
    profiles = evidence.profiles
    versions = {name: int(held.get("version", 0)) for name, held in profiles.items()}
    return by_now | {
        "lost": len(newest.keys() - profiles.keys()),
        "stale": sum(versions[name] != newest[name] for name in newest.keys() & profiles.keys()),
        "misaligned": seen.misaligned
        + sum(dict(held) != attributes(name, versions[name]) for name, held in profiles.items()),
        "unknown": len(profiles.keys() - newest.keys()),
        "letters_missing": len(truth.bad.keys() - seen.letters.keys()),
        "letters_extra": len(seen.letters.keys() - truth.bad.keys()),
        "letters_wrong": sum(seen.letters[place] != truth.bad[place] for place in seen.letters.keys() & truth.bad),
        "fell": len(evidence.fell),
        "blocked": sum(MISCONFIGURED not in text for text in evidence.blocked),
        "exit_codes": sum(code != 0 for _place, code in evidence.exit_codes),
        "unsettled": evidence.unsettled,
    }


def recovery_times(recoveries: Sequence[Recovery]) -> dict[str, dict[str, float]]:
    """By kind of mishap: how many there were, the middle and the worst time."""
    times: dict[str, list[float]] = {}
    for one in recoveries:
        times.setdefault(one.what, []).append(one.after_s)
    return {
        what: {"times": len(found), "median_s": round(median(found), 1), "worst_s": round(max(found), 1)}
        for what, found in sorted(times.items(), key=lambda entry: -max(entry[1]))
    }


def report(evidence: Evidence) -> dict[str, Any]:
    """Everything that is worth keeping of a run."""
    truth, seen, summary = evidence.truth, evidence.seen, evidence.summary
    rows = max(1, summary["rows"])
    return {
        "broken": broken(evidence),
        "records": truth.records(),
        "bad_records": len(truth.bad),
        "tombstones": truth.tombstones,
        "disorder": truth.disorder,
        "profiles": len(evidence.profiles),
        "batches": summary["batches"],
        "rows": summary["rows"],
        "duplicate_rows": summary["duplicate_rows"],
        "duplicate_share": round(summary["duplicate_rows"] / rows, 4),
        "resent": seen.resent,
        "dead_letters": len(seen.letters),
        "dead_letters_repeated": seen.repeated,
        "calls": dict(summary["calls"]),
        "most_calls_in_60_s": seen.most_calls,
        "looks": seen.looks,
        "looks_blind": seen.blind,
        "ahead": seen.ahead[:20],
        "fell": list(evidence.fell),
        "ended_badly": [f"member {place}: exit code {code}" for place, code in evidence.exit_codes if code],
        "blocked": list(evidence.blocked),
        "recovery": recovery_times(seen.recoveries),
        "worst_recoveries": [asdict(one) for one in sorted(seen.recoveries, key=lambda one: -one.after_s)[:5]],
    }
