"""The texts that the simulated Target sends.

Owns every status code and body. The accepted and refused answers, the two forms of a status and the profile's JSON
are as AdobeDocs profile-bulk-api.md and profiles-api.md print them, 503 for too many calls is as target-limits.md
says; the rest is invented, which docs/simulator.md lists. Pure. Called by `adobe_api`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

from connector.simulator.faults import Fault, FaultKind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from connector.simulator.statuses import BatchStatus


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer."""

    status: int
    text: str
    content_type: str = "text/xml"
    headers: Mapping[str, str] = field(default_factory=dict)


def accepted(status_url: str, *, escaped: bool = True) -> Answer:
    """The batch is queued; `escaped=False` writes the address as Adobe's old samples do, with a bare `&`."""
    url = escape(status_url) if escaped else status_url
    return Answer(200, _response("true", url, "Batch submitted for processing"))


def refused(message: str, status: int = 200) -> Answer:
    """The batch is refused."""
    return Answer(status, _response("false", "", escape(message)))


def status_of(batch: BatchStatus, *, details: bool) -> Answer:
    """The status of a batch, with counts and the rows that failed if asked for."""
    elements = [f"<batchId>{batch.batch_id}</batchId>", f"<status>{batch.state}</status>"]
    elements.append(f"<batchSize>{batch.size}</batchSize>")
    if details:
        elements.append(f"<consumedCount>{batch.consumed}</consumedCount>")
        elements.append(f"<successfulUpdates>{batch.successful}</successfulUpdates>")
        elements.append(f"<profilesNotFound>{batch.not_found}</profilesNotFound>")
        failed = batch.failed if batch.consumed else ()
        elements.append(f"<failedUpdates>{len(failed)}</failedUpdates>")
        elements += (f"<profile><id>{escape(one)}</id><status>failed</status></profile>" for one in failed)
    return Answer(200, f"<response>{''.join(elements)}</response>")


def profile(client: str, profile_id: str, attributes: Mapping[str, str], modified_at_s: float) -> dict[str, Any]:
    """One profile as Profile Fetch tells it; `modified_at_s` counts from 1970 and is given for every attribute."""
    modified_at = datetime.fromtimestamp(modified_at_s, UTC).isoformat(timespec="milliseconds")
    return {
        "client": client,
        "visitorId": profile_id,
        "modifiedAt": modified_at,
        "profileAttributes": {name: {"value": value, "modifiedAt": modified_at} for name, value in attributes.items()},
    }


def no_profile(client: str, kind: str, profile_id: str) -> dict[str, Any]:
    """What Profile Fetch says of an id that it does not know."""
    return {"status": 404, "message": f"No profile found for client {client} with {kind}={profile_id}"}


def of_fault(fault: Fault) -> Answer:
    """What a fault puts in the place of Target's answer; KeyError for a kind that has no answer."""
    if fault.kind is FaultKind.REDIRECT:
        return Answer(302, "", "text/plain", {"Location": fault.location})
    if fault.kind is FaultKind.THROTTLED:
        return Answer(429, "Too Many Requests", "text/plain", {"Retry-After": str(fault.retry_after_s)})
    return _FAULTS[fault.kind]


def _response(success: str, batch_status: str, message: str) -> str:
    return (
        "<response>\n"
        f"  <success>{success}</success>\n"
        f"  <batchStatus>{batch_status}</batchStatus>\n"
        f"  <message>{message}</message>\n"
        "</response>\n"
    )


OVER_BUDGET = Answer(503, "503 Service Unavailable", "text/plain")
FORBIDDEN = Answer(403, "Forbidden", "text/plain")
TOO_LARGE = Answer(413, "413 Request Entity Too Large", "text/plain")
UNKNOWN_CLIENT = Answer(400, "Bad Request: unknown client", "text/plain")
UNKNOWN_BATCH = refused("No status for this batchId", status=404)

_FAULTS: Mapping[FaultKind, Answer] = {
    FaultKind.UNAVAILABLE: OVER_BUDGET,
    FaultKind.SERVER_ERROR: Answer(500, "500 Internal Server Error", "text/plain"),
    FaultKind.BAD_REQUEST: Answer(400, "Bad Request", "text/plain"),
    FaultKind.UNAUTHORIZED: Answer(401, "Unauthorized", "text/plain"),
    FaultKind.FORBIDDEN: FORBIDDEN,
    FaultKind.TOO_LARGE: TOO_LARGE,
    FaultKind.SUCCESS_FALSE: refused("Unexpected error"),
    FaultKind.GARBAGE: Answer(200, "<html><body><p>We'll be back soon<br></body>", "text/html"),
}
