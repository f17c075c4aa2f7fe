"""Brokers that answer late, or less than asked, while the dead-letter topic is created."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any, cast

import pytest

from connector.kafka import dead_letter_topic
from connector.kafka.dead_letter_topic import LEAST_MESSAGE_BYTES


class Brokers:
    """An admin client whose answer is what a test gives."""

    def __init__(self, answer: Future[Any]) -> None:
        self._answer = answer

    def describe_configs(self, asked: list[Any], **_: Any) -> dict[Any, Future[Any]]:
        return dict.fromkeys(asked, self._answer)


def late() -> Future[Any]:
    answer: Future[Any] = Future()
    answer.set_exception(TimeoutError())
    return answer


def silent() -> Future[Any]:
    answer: Future[Any] = Future()
    answer.set_result({})
    return answer


@pytest.mark.parametrize("answer", [late(), silent()], ids=["late", "without the figure"])
def test_an_unknown_size_is_none(answer: Future[Any]) -> None:
    """What a broker does not tell of a source topic leaves the least size, and ends nothing."""
    wanted = dead_letter_topic.configuration(cast("Any", Brokers(answer)), ["crm"])
    assert wanted["max.message.bytes"] == str(LEAST_MESSAGE_BYTES)
