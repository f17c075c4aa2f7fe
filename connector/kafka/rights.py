"""Asks the brokers what this user may do, and changes nothing: no group is joined, nothing committed or created.

Kafka tells the operations that are allowed with a description of a topic or group (KIP-430); a broker without an
authorizer tells all of them. `service.check` asks. All of it blocks, each call for ASK_TIMEOUT_S at most.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AclOperation, AdminClient  # type: ignore[attr-defined] # not in its __all__
from confluent_kafka.cimpl import NewTopic

from connector.kafka.causes import Causes
from connector.kafka.properties import connection

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from concurrent.futures import Future

Found = TypeVar("Found")

ASK_TIMEOUT_S: Final = 10.0
# Until a new cluster has made its topic of offsets, it answers NOT_COORDINATOR.
COORDINATOR_WITHIN_S: Final = 10.0
AGAIN_S: Final = 1.0

READ, WRITE = AclOperation.READ, AclOperation.WRITE


@dataclass(frozen=True, slots=True)
class Allowed:
    """What is known of a topic or a group.

    Attributes:
        error: why it cannot be described; None if it is.
        operations: that are allowed; None where the brokers do not say.
        partitions: of a topic.
    """

    error: KafkaError | None
    operations: frozenset[AclOperation] | None = None
    partitions: int = 0

    def lacks(self, operation: AclOperation) -> bool:
        """Whether it is certain that this operation is not allowed."""
        return self.operations is not None and operation not in self.operations


class Rights:
    """Questions by one user.

    Args:
        properties: of the service's consumer; what concerns only consuming is left out.
    """

    def __init__(self, properties: Mapping[str, Any]) -> None:
        self._causes = Causes()
        own = {"logger": self._causes.logger, "error_cb": lambda _error: None}
        self._admin = AdminClient(connection(properties) | own)

    def cluster(self) -> tuple[int, dict[str, int]]:
        """How many brokers there are, and how many partitions each topic has that may be seen.

        Raises:
            KafkaException: no broker answers; `cause` says why.
        """
        metadata = self._admin.list_topics(timeout=ASK_TIMEOUT_S)
        return len(metadata.brokers), {name: len(topic.partitions) for name, topic in metadata.topics.items()}

    def cause(self) -> str:
        """Why no broker answers, with the remedy."""
        self._admin.poll(0)
        return self._causes.taken()

    def topics(self, names: Sequence[str]) -> dict[str, Allowed]:
        """What is allowed on each of these topics."""
        if not names:
            return {}
        asked = self._admin.describe_topics(
            TopicCollection(list(names)), include_authorized_operations=True, request_timeout=ASK_TIMEOUT_S
        )
        return {name: _topic(answer) for name, answer in asked.items()}

    def group(self, group_id: str) -> Allowed:
        """What is allowed on the consumer group, which need not exist."""
        deadline = time.monotonic() + COORDINATOR_WITHIN_S
        while True:
            (answer,) = self._admin.describe_consumer_groups(
                [group_id], include_authorized_operations=True, request_timeout=ASK_TIMEOUT_S
            ).values()
            found = _answered(answer)
            waits = isinstance(found, KafkaError) and found.code() == KafkaError.NOT_COORDINATOR
            if not waits or time.monotonic() > deadline:
                break
            time.sleep(AGAIN_S)
        return Allowed(found) if isinstance(found, KafkaError) else Allowed(None, _operations(found))

    def may_create(self, topic: str) -> KafkaError | None:
        """Why the topic could not be created, as far as can be told without doing it; None if it could."""
        (answer,) = self._admin.create_topics(
            [NewTopic(topic, 1, -1)], validate_only=True, request_timeout=ASK_TIMEOUT_S
        ).values()
        found = _answered(answer)
        return found if isinstance(found, KafkaError) else None


def _topic(answer: Future[Any]) -> Allowed:
    found = _answered(answer)
    if isinstance(found, KafkaError):
        return Allowed(found)
    return Allowed(None, _operations(found), len(found.partitions))


def _operations(described: Any) -> frozenset[AclOperation] | None:
    operations = described.authorized_operations
    return None if operations is None else frozenset(operations)


def _answered(answer: Future[Found]) -> Found | KafkaError:
    try:
        return answer.result(ASK_TIMEOUT_S)
    except TimeoutError:
        return KafkaError(KafkaError._TIMED_OUT)
    except KafkaException as error:
        refused: KafkaError = error.args[0]
        return refused
