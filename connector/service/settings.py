"""The settings as a typed, frozen model: the contract that `docs/configuration.md` prints.

Owns what the sections must agree on. Reads nothing: `loading` makes a `Settings` of a file and the environment and
turns each problem into one line; `app` hands the sections down. `describe` masks the secrets; no repr holds one.
"""

from __future__ import annotations

from typing import Any, Self

from pydantic import Field, model_validator

from connector.kafka.topics import reads
from connector.profiles.claims import Claims
from connector.service import fields, framings, librdkafka, topics
from connector.service.sections import (
    DeadLetterSettings,
    KafkaSettings,
    RegistrySettings,
    Section,
    ServiceSettings,
    TargetSettings,
    WindowSettings,
)
from connector.service.sources import SourceSettings


class Settings(Section):
    """All settings of the service."""

    kafka: KafkaSettings
    registry: RegistrySettings | None = None
    sources: tuple[SourceSettings, ...] = Field(min_length=1)
    window: WindowSettings = WindowSettings()
    target: TargetSettings
    dead_letters: DeadLetterSettings = DeadLetterSettings()
    service: ServiceSettings = ServiceSettings()

    @model_validator(mode="after")
    def _parts_agree(self) -> Self:
        problems: list[str] = []
        if self.registry is None:
            problems.extend(
                f"registry.url: missing; sources[{number}] has {asks}, which needs it"
                for number, source in enumerate(self.sources)
                if (asks := framings.asks_registry(source))
            )
        problems.extend(f"sources: {problem}" for problem in topics.claimed_twice([one.topics for one in self.sources]))
        problems.extend(f"sources: {problem}" for problem in self._attributes_claimed_twice())
        if len({source.gaps for source in self.sources if source.shape.startswith("salesforce")}) > 1:
            problems.append("sources: gaps must be the same in all of Salesforce's sources; write dead_letter or block")
        looped = [topic for one in self.sources for topic in one.topics if reads([topic], self.dead_letters.topic)]
        problems.extend(f"sources: {topic} would read the dead letters again; leave them out" for topic in looped)
        interval_s = librdkafka.max_poll_interval_s(self.kafka.properties)
        if self.target.timeout + librdkafka.REVOKE_SLACK_S >= interval_s:
            problems.append(
                f"target.timeout: a rebalance may wait for a call, so it must stay {librdkafka.REVOKE_SLACK_S:.0f} s"
                f" below max.poll.interval.ms, {interval_s:.0f} s; shorten it, or raise that under kafka.properties"
            )
        fields.refuse(problems)
        return self

    def _attributes_claimed_twice(self) -> list[str]:
        """As far as they are listed; the start knows the others."""
        claims, problems = Claims(), list[str]()
        for number, source in enumerate(self.sources):
            names = {**({} if source.attributes == "all" else source.attributes), **source.deleted}
            problems.extend(claims.clashes(number, names))
            claims.take(number, names)
        return problems


def describe(settings: Settings) -> dict[str, Any]:
    """Returns all settings as they would be written, defaults included and secrets masked: for the start-up log."""
    return settings.model_dump(mode="json")
