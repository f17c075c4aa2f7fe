"""The three brokers that other tests kill: that they are what those tests take them for."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from confluent_kafka import Consumer, Producer

if TYPE_CHECKING:
    from tests.cluster import Cluster

pytestmark = pytest.mark.containers


def test_a_record_outlives_the_leader_that_acknowledged_it(cluster: Cluster) -> None:
    """With its partition's leader killed, another leads and gives the record; the killed one comes back as it was."""
    topic = f"cluster.{time.time_ns()}"
    cluster.create_topic(topic, partitions=1)
    producer = Producer({"bootstrap.servers": cluster.addresses, "acks": "all"})
    producer.produce(topic, b"before")
    assert producer.flush(30) == 0
    first = cluster.leader_of(topic, 0)
    assert first is not None
    cluster.kill(first)
    producer.produce(topic, b"after")
    assert producer.flush(30) == 0
    second = cluster.leader_of(topic, 0)
    address = cluster.brokers[first].address
    cluster.heal()
    consumer = Consumer({"bootstrap.servers": address, "group.id": topic, "auto.offset.reset": "earliest"})
    consumer.subscribe([topic])
    records = consumer.consume(2, timeout=30)
    consumer.close()
    assert second not in {first, None}
    assert [record.value() for record in records] == [b"before", b"after"]


def test_the_coordinator_of_a_group_is_known(cluster: Cluster) -> None:
    """The node said to coordinate a group is the one that Kafka's own tool names."""
    group = f"cluster.{time.time_ns()}"
    cluster.create_topic(group, partitions=1)
    consumer = Consumer({"bootstrap.servers": cluster.addresses, "group.id": group})
    consumer.subscribe([group])
    while not consumer.assignment():
        consumer.poll(0.1)
    question = f"--bootstrap-server localhost:29092 --describe --state --group {group}"
    # The tool takes seconds, in which a leader may move back to a broker that another test had killed.
    for _ in range(5):
        before = cluster.coordinator(group)
        told = cluster.brokers[1].exec(f"/opt/kafka/bin/kafka-consumer-groups.sh {question}").output.decode()
        if before == cluster.coordinator(group):
            break
        consumer.poll(0.1)
    consumer.close()
    assert f"({before})" in told


def test_a_frozen_broker_goes_on(cluster: Cluster) -> None:
    """Writing goes on while a broker is frozen, and it is in sync again soon after."""
    topic = f"cluster.{time.time_ns()}"
    cluster.create_topic(topic, partitions=3)
    cluster.pause(2)
    producer = Producer({"bootstrap.servers": cluster.addresses, "acks": "all"})
    for partition in range(3):
        producer.produce(topic, b"meanwhile", partition=partition)
    assert producer.flush(60) == 0
    cluster.unpause(2)
    cluster.await_in_sync([topic])
