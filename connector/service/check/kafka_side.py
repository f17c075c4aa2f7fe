"""Brokers, topics, the group and the dead-letter topic, as the service's own user sees them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from confluent_kafka import KafkaError, KafkaException

from connector.kafka.rights import READ, WRITE, Rights
from connector.kafka.topics import match, reads
from connector.service.check.findings import Finding, unsure, well, wrong

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from connector.kafka.rights import Allowed
    from connector.service.settings import Settings


def look(settings: Settings, consumer: Mapping[str, Any]) -> tuple[list[Finding], list[str]]:
    """Ask the brokers everything; also the topics that exist and are meant by the settings.

    Args:
        settings: all of them.
        consumer: the consumer's properties, secrets included.
    """
    rights, servers = Rights(consumer), settings.kafka.bootstrap_servers
    try:
        brokers, existing = rights.cluster()
    except KafkaException:
        return [wrong("brokers", f"none of {servers} answers", rights.cause())], []
    findings = [well("brokers", f"{brokers} by way of {servers}")]
    configured = [topic for source in settings.sources for topic in source.topics]
    state = match(configured, existing)
    allowed = rights.topics([*state.topics, *state.missing])
    findings += [_topic(name, allowed[name]) for name in sorted(allowed)]
    findings += [
        wrong("topic", f"no topic matches {pattern}", "create one, grant Read on it, or correct sources.topics")
        for pattern in configured
        if pattern.startswith("^") and not any(reads([pattern], topic) for topic in state.topics)
    ]
    findings.append(_group(settings.kafka.group_id, rights.group(settings.kafka.group_id)))
    findings.append(_letters(settings.dead_letters.topic, rights, create=settings.dead_letters.create))
    return findings, list(state.topics)


def _topic(name: str, allowed: Allowed) -> Finding:
    if allowed.error is not None:
        match allowed.error.code():
            case KafkaError.UNKNOWN_TOPIC_OR_PART:
                return wrong("topic", f"{name} does not exist", "create it, or correct sources.topics")
            case KafkaError.TOPIC_AUTHORIZATION_FAILED:
                return wrong("topic", f"{name} may not be seen", "grant Read on it, and create it if it is missing")
        return unsure("topic", f"{name} can't be described: {allowed.error.str()}")
    if allowed.lacks(READ):
        return wrong("topic", f"{name} may not be read", "grant Read on it")
    return well("topic", f"{name}: {allowed.partitions} partitions{_may(allowed, 'may be read')}")


def _group(group_id: str, allowed: Allowed) -> Finding:
    remedy = f"grant Read on the group {group_id}"
    if allowed.error is not None:
        if allowed.error.code() == KafkaError.GROUP_AUTHORIZATION_FAILED:
            return wrong("group", f"{group_id} may not be used", remedy)
        return unsure("group", f"{group_id} can't be described: {allowed.error.str()}", remedy)
    if allowed.lacks(READ):
        return wrong("group", f"{group_id} may not be joined, nor its offsets committed", remedy)
    return well("group", f"{group_id}{_may(allowed, 'may be joined, and its offsets committed')}")


def _letters(topic: str, rights: Rights, *, create: bool) -> Finding:
    allowed, name = rights.topics([topic])[topic], "dead letters"
    if allowed.error is None:
        if allowed.lacks(WRITE):
            return wrong(name, f"{topic} may not be written", "grant Write on it")
        return well(name, f"{topic}{_may(allowed, 'may be written')}")
    if not create:
        return wrong(name, f"{topic} is missing or may not be seen", "create it, or set dead_letters.create: true")
    refused = rights.may_create(topic)
    if refused is None:
        return well(name, f"{topic} does not exist; the service creates it at its start")
    return wrong(name, f"{topic} is missing and can't be created: {refused.str()}", "create it, and grant Write on it")


def _may(allowed: Allowed, what: str) -> str:
    """Brokers older than Kafka 2.3 do not tell."""
    return "; whether rights suffice is not told" if allowed.operations is None else f", {what}"
