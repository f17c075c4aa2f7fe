"""The watch over topics: whoever asks is told what there was after the question."""

from __future__ import annotations

import asyncio

import pytest

from connector.kafka.embedded import EmbeddedBroker
from connector.kafka.topics import EVERY_S, TopicState, TopicWatch
from connector.telemetry import Silent

TOPIC = "crm.customers"


class Watched:
    """A watch, what it told, and the means to ask it."""

    def __init__(self, broker: EmbeddedBroker) -> None:
        self.told: list[TopicState] = []
        self.asked = asyncio.Event()
        properties = {"bootstrap.servers": broker.bootstrap_servers}
        self.watch = TopicWatch(
            properties, [TOPIC], Silent(), changed=self.told.append, remade=lambda _: None, asked=self.asked
        )


async def test_whoever_asks_is_told_at_once_though_nothing_changed() -> None:
    """After a rebalance nobody waits for the next regular look, nor for news."""
    with EmbeddedBroker() as broker:
        broker.create_topic(TOPIC, partitions=3)
        it = Watched(broker)
        running = asyncio.create_task(it.watch.run())
        try:
            async with asyncio.timeout(EVERY_S - 1):  # the mock lets each question for the topics' ids wait for 3 s
                while len(it.told) < 3:
                    before = len(it.told)
                    it.asked.set()
                    while len(it.told) == before:  # noqa: ASYNC110 (an answer from a thread)
                        await asyncio.sleep(0.01)
        finally:
            running.cancel()
        assert it.told[0] == it.told[1] == it.told[2]
        assert len(it.told[0].partitions) == 3


async def test_a_look_from_before_the_question_is_no_answer() -> None:
    """What was under way when somebody asked may not show what the question is about."""
    with EmbeddedBroker() as broker:
        broker.create_topic(TOPIC, partitions=3)
        it = Watched(broker)
        looking = asyncio.create_task(it.watch.look())
        await asyncio.sleep(0)
        it.asked.set()
        assert await looking
        assert it.told == []
        assert await it.watch.look()
        assert len(it.told) == 1
        assert await it.watch.look()
        assert len(it.told) == 1


@pytest.mark.parametrize("asks", [1, 3])
async def test_a_question_is_answered_once(asks: int) -> None:
    """Several questions before one look have one answer."""
    with EmbeddedBroker() as broker:
        broker.create_topic(TOPIC, partitions=3)
        it = Watched(broker)
        assert await it.watch.look()
        for _ in range(asks):
            it.asked.set()
        assert await it.watch.look()
        assert len(it.told) == 2
