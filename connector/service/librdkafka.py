"""Which of librdkafka's properties may be set, and which hold a secret.

Every property passes except those that would break one of the service's promises; each of these is listed with its
reason. Names and defaults are librdkafka's (its CONFIGURATION.md). Pure; called by the settings and the reference.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final

from connector.kafka.properties import CLASSIC_ONLY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

MASK: Final = "***"

# A rebalance waits for the call on the wire; Kafka gives the partitions away when that takes longer than this.
MIN_MAX_POLL_INTERVAL_MS: Final = 60_000
_MAX_POLL_INTERVAL_MS: Final = 300_000  # librdkafka's defaults, these three
_SESSION_TIMEOUT_MS: Final = 45_000
_HEARTBEAT_INTERVAL_MS: Final = 3_000
REVOKE_SLACK_S: Final = 15.0  # between the end of the longest call and the end of the interval

_OWN_KEY: Final = "has a key of its own: {}"
_STORED: Final = "offsets are stored only after Target accepted their records; the service sets this itself"
_CODE: Final = "is a callback of a program, not a setting"
_MOCK: Final = "would replace your cluster by an empty one inside the process"

_REFUSED: Final[Mapping[str, str]] = {
    "bootstrap.servers": _OWN_KEY.format("kafka.bootstrap_servers"),
    "metadata.broker.list": _OWN_KEY.format("kafka.bootstrap_servers"),
    "group.id": _OWN_KEY.format("kafka.group_id"),
    "enable.auto.commit": _STORED,
    "auto.commit.enable": _STORED,
    "enable.auto.offset.store": _STORED,
    "offset.store.method": "offsets live in Kafka, where every replica sees them",
    "offset.store.path": "offsets live in Kafka, where every replica sees them",
    "enable.partition.eof": "the service sets this itself, as it tells of offsets that no record has",
    "plugin.library.paths": "would load foreign code into the process that holds Target's token",
    "transactional.id": "dead letters are written without transactions, and each is awaited",
    "delivery.report.only.error": "a dead letter counts only once the broker acknowledged it",
    "default.topic.config": "write its properties directly under kafka.properties",
    "on_commit": _CODE,
    "on_delivery": _CODE,
    "logger": _CODE,
    "opaque": _CODE,
}
_REFUSED_FORMS: Final[Mapping[str, str]] = {"*_cb": _CODE, "*_callback": _CODE, "test.*": _MOCK}


def max_poll_interval_s(properties: Mapping[str, str]) -> float:
    """Returns how long the consumer may go without polling, in seconds."""
    return int(properties.get("max.poll.interval.ms", _MAX_POLL_INTERVAL_MS)) / 1000


@dataclass(frozen=True, slots=True)
class _Rule:
    """What a property's value must be, and why."""

    passes: Callable[[str], bool]
    reason: str


def _one_of(allowed: tuple[str, ...], why: str) -> _Rule:
    return _Rule(lambda value: value.lower() in allowed, f"must be {' or '.join(allowed)}: otherwise {why}")


def _long_enough(value: str) -> bool:
    return re.fullmatch(r"[0-9]{1,12}", value) is not None and int(value) >= MIN_MAX_POLL_INTERVAL_MS


def _some_time(value: str) -> bool:
    return re.fullmatch(r"[0-9]{1,8}", value) is not None and int(value) > 0


def _one_kind(value: str) -> bool:
    strategies = {part.strip() for part in value.split(",")}
    return "cooperative-sticky" not in strategies or len(strategies) == 1


_RULES: Final[Mapping[str, _Rule]] = {
    "auto.offset.reset": _one_of(
        ("earliest", "smallest", "beginning", "error"),
        "what was written before the group's first start would be skipped",
    ),
    "isolation.level": _one_of(("read_committed",), "changes that were rolled back would reach Target"),
    "allow.auto.create.topics": _one_of(("false",), "a misspelt topic would be made instead of reported"),
    "acks": _one_of(("all", "-1"), "a dead letter could be lost after its offset was stored"),
    "request.required.acks": _one_of(("all", "-1"), "a dead letter could be lost after its offset was stored"),
    "group.protocol": _one_of(("classic", "consumer"), "there is no group"),
    "max.poll.interval.ms": _Rule(
        _long_enough,
        f"must be {MIN_MAX_POLL_INTERVAL_MS} or more: a revoke waits for the batch in flight, and the partitions would "
        "be lost meanwhile",
    ),
    "auto.commit.interval.ms": _Rule(
        _some_time, "must be a number over 0: otherwise what is delivered is committed only by a stop or a rebalance"
    ),
    "partition.assignment.strategy": _Rule(
        _one_kind, "cooperative-sticky cannot stand beside others (librdkafka refuses the mix); leave one kind"
    ),
}

# What librdkafka opens itself; it says of a missing one only that "BIO lib" failed.
FILES: Final = (
    "ssl.ca.location",  # a directory, too, or `probe`
    "ssl.certificate.location",
    "ssl.crl.location",
    "ssl.key.location",
    "ssl.keystore.location",
)

# Rather too many than one too few: a masked name is only less to read in the start-up log.
_SECRET: Final = re.compile(r"password|passphrase|secret|token|credential|private|\.pem|_key|oauthbearer\.config")


def refusals() -> Iterator[tuple[str, str]]:
    """Lists what is refused, each with its reason, for the reference."""
    yield from _REFUSED.items()
    yield from _REFUSED_FORMS.items()
    for name, rule in _RULES.items():
        yield name, rule.reason
    for name in sorted(CLASSIC_ONLY):
        yield name, "with group.protocol=consumer: the broker decides it"


def is_secret(name: str) -> bool:
    """Returns whether a property holds, or may hold, a secret; such values are never shown."""
    return _SECRET.search(name) is not None


def masked(properties: Mapping[str, str]) -> dict[str, str]:
    """Returns the properties as they may be shown."""
    return {name: MASK if is_secret(name) else value for name, value in properties.items()}


def as_text(value: object) -> str:
    """Returns a property's value as librdkafka reads it.

    Raises:
        ValueError: it is neither text nor number nor truth value.
    """
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str | int | float):
        return str(value)
    raise ValueError("must be text, a number, true or false")


def problems(properties: Mapping[str, str]) -> Iterator[str]:
    """Tells which properties would break a promise, and why; no text holds a value."""
    for name in properties:
        reason = _refusal(name)
        if reason:
            yield f"{name}: refused: {reason}"
    for name in sorted(properties.keys() & _RULES.keys()):
        if not _RULES[name].passes(properties[name]):
            yield f"{name}: refused: {_RULES[name].reason}"
    heartbeat_ms = _number(properties.get("heartbeat.interval.ms"), _HEARTBEAT_INTERVAL_MS)
    if heartbeat_ms >= _number(properties.get("session.timeout.ms"), _SESSION_TIMEOUT_MS):
        yield (
            "heartbeat.interval.ms: refused: must be below session.timeout.ms, best a third of it: otherwise the "
            "membership ends between two heartbeats"
        )
    mechanism = properties.get("sasl.mechanism", properties.get("sasl.mechanisms", "GSSAPI"))
    if mechanism.upper() == "GSSAPI" and properties.get("security.protocol", "").lower().startswith("sasl_"):
        yield (
            "sasl.mechanism: must be SCRAM-SHA-512, SCRAM-SHA-256, PLAIN or OAUTHBEARER: Kerberos (GSSAPI, librdkafka's"
            " default) is not built in"
        )
    if properties.get("group.protocol", "").lower() == "consumer":
        for name in sorted(properties.keys() & CLASSIC_ONLY):
            yield f"{name}: refused: the broker decides it under group.protocol=consumer; leave it out"


def _number(value: str | None, default: int) -> int:
    """What is no number librdkafka itself refuses."""
    return int(value) if value is not None and re.fullmatch(r"[0-9]{1,12}", value) else default


def file_problems(names: Iterable[str]) -> Iterator[str]:
    """Tells which properties must not come from a file: what is refused, and what must be seen to be checked."""
    for name in names:
        reason = _refusal(name)
        if reason:
            yield f"{name}: refused: {reason}"
        elif name in _RULES or name in CLASSIC_ONLY:
            yield f"{name}: is no secret; write it under kafka.properties"


def _refusal(name: str) -> str | None:
    forms = (why for form, why in _REFUSED_FORMS.items() if fnmatchcase(name, form))
    return _REFUSED.get(name) or next(forms, None)
