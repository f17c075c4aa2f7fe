"""librdkafka's properties, sorted: which the consumer gets, which only concern the connection.

The settings refuse the properties that would break a promise before they come here.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

# What a producer or an admin client would warn about: librdkafka's CONFIGURATION.md, column C/P = C.
_CONSUMER_ONLY = frozenset(
    {
        "auto.commit.interval.ms",
        "auto.offset.reset",
        "check.crcs",
        "coordinator.query.interval.ms",
        "enable.auto.commit",
        "enable.auto.offset.store",
        "enable.partition.eof",
        "group.id",
        "group.instance.id",
        "group.protocol",
        "group.protocol.type",
        "group.remote.assignor",
        "heartbeat.interval.ms",
        "isolation.level",
        "max.poll.interval.ms",
        "partition.assignment.strategy",
        "queued.max.messages.kbytes",
        "queued.min.messages",
        "session.timeout.ms",
    }
)
_CONSUMER_PREFIX = "fetch."

# Why each: docs/adr/0003. Users may override them, except where the settings refuse it.
CONSUMER_DEFAULTS: Mapping[str, Any] = {
    "enable.auto.offset.store": False,  # an offset is stored when its record is settled, not when it is read
    "enable.auto.commit": True,  # librdkafka commits what is stored: each second, on revoke and on close
    "enable.partition.eof": True,  # the only sign of what no record has at the end: markers of transactions
    "auto.offset.reset": "earliest",  # the client's own default would skip what a new group has not seen
    "auto.commit.interval.ms": 1000,
    "partition.assignment.strategy": "cooperative-sticky",
    "topic.metadata.refresh.interval.ms": 10_000,  # a topic created later is seen after 10 s, not after 5 minutes
    "queued.max.messages.kbytes": 16 * 1024,  # one fetch queue of 16 MiB for all partitions
    "fetch.queue.backoff.ms": 50,  # with a queue this small the default of 1 s lets it run dry
    "socket.keepalive.enable": True,  # a NAT or a load balancer forgets an idle connection
}
CLASSIC_ONLY = frozenset({"partition.assignment.strategy", "session.timeout.ms", "heartbeat.interval.ms"})
"""What librdkafka refuses together with `group.protocol: consumer`, where the broker decides it."""


def consumer(bootstrap_servers: str, group_id: str, properties: Mapping[str, Any]) -> dict[str, Any]:
    """All properties of the consumer: our defaults, then the user's.

    With `group.protocol: consumer` the three properties are left out that librdkafka then refuses.
    """
    merged = {
        **CONSUMER_DEFAULTS,
        **properties,
        "bootstrap.servers": bootstrap_servers,
        "group.id": group_id,
        "logger": logging.getLogger("librdkafka"),  # its lines would go to standard error as they are
    }
    if str(merged.get("group.protocol", "classic")).lower() == "consumer":
        for name in CLASSIC_ONLY:
            merged.pop(name, None)
    return merged


def is_incremental(properties: Mapping[str, Any]) -> bool:
    """Whether the group moves partitions one by one, as the consumer's complete properties say."""
    strategy = str(properties.get("partition.assignment.strategy", "cooperative-sticky"))  # none: the newer protocol
    return strategy.strip() == "cooperative-sticky"


def connection(properties: Mapping[str, Any]) -> dict[str, Any]:
    """What of the consumer's properties a producer or an admin client takes too."""
    return {
        name: value
        for name, value in properties.items()
        if name not in _CONSUMER_ONLY and not name.startswith(_CONSUMER_PREFIX)
    }


def alone(properties: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The consumer's properties for one that joins no group, commits nothing and is told where a log ends.

    Args:
        properties: of the service's consumer.
        name: appended to the group's name, which librdkafka demands.
    """
    own = {
        "group.id": f"{properties['group.id']}-{name}",
        "group.protocol": "classic",
        "enable.auto.commit": False,
        "enable.partition.eof": True,
        "auto.offset.reset": "earliest",  # what retention has removed is skipped
        "error_cb": lambda _error: None,  # whoever reads tells of silence, or the cause
    }
    return {key: value for key, value in properties.items() if key != "group.instance.id"} | own
