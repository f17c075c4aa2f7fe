"""Contender 1, the ceiling: `Consumer.consume()` alone, in lists of 50,000 with the connector's own client properties.

Nothing is done with the messages, so no Python program on this client can be faster.
"""

from __future__ import annotations

from typing import Final

from confluent_kafka import Consumer

from benchmarks.stopwatch import Result, Stopwatch, Task, report, task
from connector.kafka.properties import consumer as properties

# As the connector's source has them.
LIST_RECORDS: Final = 50_000
LIST_TIMEOUT_S: Final = 0.1


def read(given: Task) -> Result:
    """Reads the topic to its end.

    Raises:
        RuntimeError: a record is an error.
    """
    watch = Stopwatch()
    # The end of a partition would come as a message, and be counted.
    consumer = Consumer(properties(given.bootstrap_servers, given.group, {}) | {"enable.partition.eof": False})
    consumer.subscribe([given.topic], on_assign=lambda *_: watch.start())
    done = 0
    while done < given.events:
        messages = consumer.consume(LIST_RECORDS, LIST_TIMEOUT_S)
        if not messages:
            continue
        if any(message.error() is not None for message in messages[:1]):
            raise RuntimeError(f"Kafka: {messages[0].error()}")
        done += len(messages)
        watch.lap(done)
    consumer.close()
    return watch.result(settled=done)


if __name__ == "__main__":
    report(read(task()))
