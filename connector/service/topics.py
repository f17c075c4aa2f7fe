"""Topic names and patterns as settings: what Kafka and its client accept.

Promises that what passes here cannot be misread by the client: an expression that it would silently never match, or
a topic that two sources would both read, is a problem in words. Pure; called by the settings.
"""

from __future__ import annotations

import re
from itertools import combinations
from typing import TYPE_CHECKING, Final

from connector.kafka.topics import reads

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

# Kafka's rule (apache/kafka, org.apache.kafka.common.internals.Topic): these characters, up to 249 of them.
_NAME: Final = re.compile(r"[A-Za-z0-9._-]{1,249}")

# The client matches with the C library's POSIX extended expressions, and we ask Python which source a topic is of: so
# an expression that the two take differently is refused. Measured with confluent-kafka 2.16.1: `\d` is taken for a
# plain `d`, so the topic is simply never found, and `(?` is refused only when subscribing.
_PERL: Final = re.compile(r"\\[A-Za-z0-9]|\(\?|[*+?}][*+?]")
_POSIX: Final = re.compile(r"\[[^\]]*\[[:.=]|\[[^\]]*\\")


def is_pattern(topic: str) -> bool:
    """Returns whether it is an expression, which Kafka's client knows by the `^` it begins with."""
    return topic.startswith("^")


def topic_problem(topic: str) -> str | None:
    """Returns what is wrong with a topic's name or expression, in words, or None."""
    if not is_pattern(topic):
        return name_problem(topic)
    if _PERL.search(topic):
        return "the client knows only POSIX expressions, without \\d, (? and +?; write [0-9] for \\d, ( for (?:"
    if _POSIX.search(topic):
        return "character classes and backslashes in brackets are not supported; write [0-9] for [[:digit:]]"
    try:
        re.compile(topic)
    except re.error as error:
        return f"is not a regular expression: {error.msg}"
    return None


def name_problem(topic: str) -> str | None:
    """Returns what is wrong with a topic's name, in words, or None."""
    if _NAME.fullmatch(topic) is None or topic in {".", ".."}:
        return (
            "is not a topic name: 1 to 249 letters, digits, dots, underscores and dashes; an expression begins with ^"
        )
    return None


def claimed_twice(sources: Sequence[Sequence[str]]) -> Iterator[str]:
    """Tells of names that two sources, or one source twice, would read.

    Two expressions that meet in a topic not named anywhere cannot be found without asking Kafka.
    """
    listed = [(number, topic) for number, topics in enumerate(sources) for topic in topics]
    for (number, topic), (other_number, other) in combinations(listed, 2):
        pattern, name = (topic, other) if is_pattern(topic) else (other, topic)
        if topic == other or (not is_pattern(name) and reads([pattern], name)):
            yield (
                f"topic {name} is read by sources[{number}] ({topic}) and by sources[{other_number}] ({other}); "
                "leave it in one of them"
            )
