"""The sections of the settings: what each part of the service can be told.

Owns names, defaults and ranges within one section; `settings` puts them together and holds them against each other.
Durations are seconds, sizes bytes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_serializer, model_validator

from connector.service import fields, librdkafka, units
from connector.target.watchlist import KEPT

MAX_ROWS: Final = 499_999  # Adobe's 500,000 rows of a batch count the header (AdobeDocs profile-bulk-api.md)
ADMIN_PORT: Final = 8085  # the simulated Target and the registry of deploy/ have 8081 and 8082
MAX_CALLS_PER_MINUTE: Final = 50  # Target answers 503 beyond (AdobeDocs target-limits.md)


def _after(default: str, description: str) -> Any:
    """A duration with a default, which the JSON Schema shows as it would be written."""
    return Field(default=units.duration(default), description=description, json_schema_extra={"default": default})


class Section(BaseModel):
    """What all parts of the settings have in common: frozen, and no key that we do not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class KafkaSettings(Section):
    """The cluster that holds the topics."""

    bootstrap_servers: fields.Servers = Field(description="Brokers to begin with: `host:port`, with commas between.")
    group_id: fields.Text = Field(
        description="The consumer group. All replicas share one; no other program may use it."
    )
    properties: fields.Properties = Field(
        default={},
        repr=False,
        description="Any other property of librdkafka, such as `security.protocol`, except those that would break a "
        "promise (see below).",
    )
    secrets: fields.SecretFiles = Field(
        default={},
        description="Properties whose value is in a file, such as `{sasl.password: /run/secrets/kafka-password}`.",
    )

    @field_serializer("properties", when_used="json")
    def _masked(self, properties: dict[str, str]) -> dict[str, str]:
        return librdkafka.masked(properties)

    @model_validator(mode="after")
    def _given_once(self) -> Self:
        twice = [name for name in self.secrets if name in self.properties]
        fields.refuse(f"{name} is given twice, as a value and as a file; leave one" for name in twice)
        return self


class RegistrySettings(Section):
    """The schema registry, needed by every source whose framing is Confluent's or Apicurio's."""

    url: fields.Url = Field(
        description="Its address, in the interface of Confluent's registry (Apicurio: `/apis/ccompat/v7`)."
    )
    username: fields.Text | None = Field(default=None, description="User name, if it asks for one.")
    password_file: Path | None = Field(default=None, description="File with the password of `username`.")
    token_file: Path | None = Field(default=None, description="File with a bearer token, instead of a user name.")
    ca_file: Path | None = Field(
        default=None, description="PEM file with the authorities to trust, if not the system's."
    )
    cert_file: Path | None = Field(default=None, description="PEM file with the service's own certificate.")
    key_file: Path | None = Field(default=None, description="PEM file with the key of `cert_file`.")
    timeout: fields.Duration = _after("10s", "How long one answer may take before it is asked again.")

    @model_validator(mode="after")
    def _credentials_fit(self) -> Self:
        pairs = [("username", "password_file"), ("cert_file", "key_file")]
        given = self.model_fields_set - {name for name in self.model_fields_set if getattr(self, name) is None}
        lonely = [(one, other) for one, other in pairs if len(given & {one, other}) == 1]
        fields.refuse(f"{one} and {other} belong together; give both or none" for one, other in lonely)
        twice = {"username", "token_file"} <= given
        fields.refuse(["username and token_file cannot both be sent; leave one"] if twice else [])
        return self


class WindowSettings(Section):
    """When collected rows become a batch: at the first of the three limits."""

    max_rows: fields.Count = Field(
        default=100_000,
        ge=1,
        le=MAX_ROWS,
        description="Profiles that make a window full; whole polls are added, so a batch may hold up to one poll more.",
    )
    max_bytes: fields.BatchSize = Field(
        default=units.size("45MB"),
        description="Size of a batch, as it is sent; under 50MB.",
        json_schema_extra={"default": "45MB"},
    )
    max_age: fields.Duration = _after("10s", "How long the oldest record waits at most before its batch is sent.")


class UnconfirmedSettings(Section):
    """How completion is waited for, with `commit_on: complete`."""

    batches: fields.Count = Field(
        default=5,
        ge=1,
        le=KEPT,
        description="Batches that may be accepted and not yet complete; the next one waits. Fewer where this replica "
        "owns so few of the partitions that Target would forget them: ten statuses are kept for the whole account.",
    )
    timeout: fields.Duration = _after("2h", "How long one of them may take.")
    on_timeout: Literal["resend", "block"] = Field(
        default="resend",
        description="What happens if one takes longer, is stuck, or is not known to Target any more: all from the "
        "committed offsets on is read and sent again, or the service blocks until a human has looked at it.",
    )


class TargetSettings(Section):
    """Adobe Target."""

    client: fields.Client = Field(description="Your client code, the first part of `CLIENT.tt.omtrdc.net`.")
    id_type: Literal["thirdPartyId", "pcId"] = Field(
        default="thirdPartyId",
        description="What the ids are. Adobe forbids `pcId` here where the site uses the Experience Cloud ID.",
    )
    base_url: fields.TargetUrl = Field(
        default_factory=lambda given: f"https://{given['client']}.tt.omtrdc.net",
        description="Where Target is, if not at `https://CLIENT.tt.omtrdc.net`; `http` only on this machine.",
    )
    token_file: Path | None = Field(
        default=None, description="File with the token, if the account demands one; read at every call."
    )
    token_expires_file: Path | None = Field(
        default=None,
        description="File with the time at which the token expires, such as `2027-02-22T09:00:00Z`; read each minute. "
        "Becomes a metric, and a warning from 7 days before.",
    )
    ca_file: Path | None = Field(
        default=None, description="PEM file with the authorities to trust, if not the system's."
    )
    calls_per_minute: fields.Count = Field(
        default=35,
        ge=1,
        le=MAX_CALLS_PER_MINUTE,
        description="Calls that all replicas together make in any minute, of the 50 that Target allows the account.",
    )
    throttle_hold: fields.Duration = _after("60s", "Least pause after a 503 or 429; longer if Target asks for it.")
    timeout: fields.Duration = _after("60s", "How long one call may take before the same batch is sent again.")
    follow: bool = Field(
        default=True,
        description="Whether Target is asked what became of each batch it accepted. Costs spare calls, a fifth of "
        "`calls_per_minute` at most; usually two to four questions per batch.",
    )
    follow_after: fields.Duration = _after(
        "60s", "From a batch's acceptance to the first question; the gaps then grow by half, to ten times this."
    )
    commit_on: Literal["accepted", "complete"] = Field(
        default="accepted",
        description="When a batch counts as delivered: once Target has queued it (`accepted`), or once Target says "
        "that it is in the profiles (`complete`), which takes minutes to hours (see `unconfirmed`).",
    )
    unconfirmed: UnconfirmedSettings = Field(
        default=UnconfirmedSettings(), description="How completion is waited for, with `commit_on: complete`."
    )

    @model_validator(mode="after")
    def _keys_agree(self) -> Self:
        lonely = self.token_expires_file is not None and self.token_file is None
        blind = self.commit_on == "complete" and not self.follow
        fields.refuse(
            [
                "token_expires_file is of no use without token_file; give both or none" if lonely else None,
                "commit_on complete needs follow; leave follow at true, or write accepted" if blind else None,
            ]
        )
        return self


class BrakeSettings(Section):
    """Stops the service, instead of emptying a topic into the dead letters."""

    share: fields.Share = Field(
        default=0.01, gt=0, le=1, description="Share of recent records that may become dead letters."
    )
    of: fields.Count = Field(default=10_000, ge=1, description="How many records are recent.")
    at_least: fields.Count = Field(default=50, ge=1, description="Fewer dead letters than this never stop it.")


class DeadLetterSettings(Section):
    """Where records go that cannot be delivered."""

    topic: fields.TopicName = Field(default="target-connector.dead-letters", description="Their topic.")
    create: bool = Field(
        default=True,
        description="Whether a missing topic is created at start: one partition, 30 days of retention, the brokers' "
        "replication. Otherwise its absence is an error at start.",
    )
    brake: BrakeSettings = Field(default=BrakeSettings(), description="When to stop instead.")


class ServiceSettings(Section):
    """The process itself."""

    host: fields.Text = Field(default="0.0.0.0", description="Address of the health page and the metrics.")  # noqa: S104  probes and Prometheus come from outside of the pod
    port: fields.Count = Field(default=8080, ge=0, le=65_535, description="Their port; 0 takes any free one.")
    admin_port: fields.Count = Field(
        default_factory=lambda given: 0 if given.get("port") == 0 else ADMIN_PORT,
        ge=0,
        le=65_535,
        description="Port of the commands `status` and `unblock`, which only this machine can reach; 0, the default "
        "where `port` is 0, takes any free one.",
        json_schema_extra={"default": ADMIN_PORT},
    )
    drain: fields.Duration = _after(
        "20s",
        "How long a stop goes on delivering what is open. The call that is on the wire then may end, which takes "
        "`target.timeout` at most.",
    )
    log_format: Literal["json", "console"] = Field(
        default="json", description="One JSON object per line, or text for people."
    )
    extension: bool = Field(
        default=True,
        description="Use the C extension where it is installed: to take records from the Kafka client, decode them and "
        "encode rows. It needs less CPU; nothing else differs.",
    )
