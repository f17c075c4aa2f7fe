"""A topic that may not be read, seen through the source: told as long as it lasts, whatever else is read meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from confluent_kafka import KafkaError

from connector.kafka.embedded import Api, EmbeddedBroker
from connector.telemetry import Part
from tests.embedded.road import until
from tests.embedded.test_rebalances import owner

if TYPE_CHECKING:
    from tests.embedded.test_rebalances import Owner

pytestmark = pytest.mark.usefixtures("each_reader")

DENIED, OTHER = "crm.denied", "crm.other"
WORDS = f"{DENIED} may not be read; grant the service's user Read on the topic"


def read(reader: Owner) -> list[str | None]:
    """The topic of each record that came, in turn."""
    return [record.topic() for chunk in reader.chunks for record in chunk.records]


async def test_a_topic_that_may_not_be_read_is_told_until_it_may() -> None:
    """The trouble names it, stays while another topic is read, and is over with the topic's first record."""
    # Each topic has a broker of its own, so that one can be fetched from while the other can't; the third coordinates.
    with EmbeddedBroker(3) as broker:
        broker.set_coordinator("group", 3)
        for number, topic in enumerate((DENIED, OTHER), 1):
            broker.create_topic(topic, 1, 3)
            broker.set_partition_leader(topic, 0, number)
        producer = broker.producer()
        for topic in (DENIED, OTHER):
            producer.produce(topic, b"x", partition=0)
        producer.flush(20)
        broker.set_broker_down(2)
        broker.fail_requests(Api.FETCH, [KafkaError.TOPIC_AUTHORIZATION_FAILED])
        async with owner(broker.bootstrap_servers, topic="^crm", group="group") as reader:
            troubles = reader.telemetry.troubles
            await until(lambda: troubles == {Part.CONSUMER: WORDS})
            broker.set_broker_down(1)
            broker.set_broker_up(2)
            await until(lambda: read(reader) == [OTHER])
            assert troubles == {Part.CONSUMER: WORDS}
            broker.set_broker_up(1)
            await until(lambda: read(reader) == [OTHER, DENIED])
            await until(lambda: troubles == {})
