"""The section of the settings that says what a feed is: topics, framing, shape, mapping, and what becomes of the rest.

Owns names, defaults and what the keys of one source must agree on.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from connector.avro.shapes.placeholders import UNAVAILABLE
from connector.profiles.expressions.expression import Expression
from connector.profiles.stand_ins import OTHERS, SENTINEL
from connector.service import fields, framings
from connector.service.one_line import one_line
from connector.service.sections import Section


class DeleteFlag(Section):
    """The field by which a deleted row is known."""

    field: fields.FieldPath = Field(description="Its path.")
    value: fields.Flag = Field(description="Its text where the row is deleted, such as `true`.")


class SourceSettings(Section):
    """One feed: some topics whose records have the same meaning."""

    topics: tuple[fields.Topic, ...] = Field(
        min_length=1, description="Names, or POSIX regular expressions that begin with `^`."
    )
    framing: framings.Name = Field(
        default="confluent",
        description="How a record names its schema (docs/framings.md): `confluent`, `apicurio`, `glue`, "
        "`single-object`: before its datum; `confluent-header`, `apicurio-header`: in a header; `plain`: not at all.",
    )
    apicurio_id: Literal["content", "global"] = Field(
        default=framings.APICURIO_ID,
        description="Which id it is, for `framing: apicurio`: what the producer's `apicurio.registry.use-id` says.",
    )
    apicurio_id_bytes: Literal[4, 8] = Field(
        default=framings.APICURIO_ID_BYTES,
        description="Its length, for `framing: apicurio`: 8 for `Legacy8ByteIdHandler` and version 2, whose ids are "
        "global ones by default.",
    )
    schema_dir: Path | None = Field(
        default=None,
        description="Folder of the writers' schemas (`.avsc`), for `framing: glue`, where each file is called by its "
        "schema version's UUID, and `single-object`.",
    )
    schema_file: Path | None = Field(
        default=None,
        description="The Avro schema (`.avsc`) of all records, for `framing: plain`; beside `schema_dir`, the newest "
        "one, which a mapping is checked against.",
    )
    shape: Literal["flat", "debezium", "debezium-unwrapped", "salesforce", "salesforce-connect", "jdbc"] = Field(
        default="flat",
        description="How a change is laid out in a record: `flat` is the fields of the profile themselves; the others "
        "are the envelopes of tools (docs/shapes.md). Paths lead into the row inside.",
    )
    unavailable_value: fields.Text = Field(
        default=UNAVAILABLE,
        description="What stands for a value that Debezium did not get because it had not changed: its "
        "`unavailable.value.placeholder`. Such a value is not sent.",
    )
    delete_flag: DeleteFlag | None = Field(
        default=None,
        description="By which field and value a deleted row is known, with `shape: jdbc`: `{field: is_deleted, value: "
        "true}`.",
    )
    events: Literal["full", "partial"] = Field(
        default_factory=lambda given: "partial" if str(given.get("shape")).startswith("salesforce") else "full",
        description="`full`: each record holds all that the source knows of the profile. `partial`: only what changed, "
        "the default of Salesforce's shapes.",
        json_schema_extra={"default": "full"},
    )
    gaps: Literal["dead_letter", "block"] = Field(
        default="dead_letter",
        description="What happens when Salesforce says that changes are missing (its events `GAP_…`): the event "
        "becomes a dead letter, or the service blocks until a human has looked at it.",
    )
    key_framing: framings.KeyName = Field(
        default="none",
        description="How the records' keys are framed, where the id stands there, of all records (`id: key`, or `id: "
        "key.customer_id`), or of those without a value (`on_delete: send`). `text`: the key is the id; `confluent`, "
        "`apicurio`: it is an Avro record.",
    )
    where: fields.Condition | None = Field(
        default=None,
        description="Which records count: an expression (docs/expressions.md), such as `country IN ('DE', 'AT') AND "
        'consent`. The others are left out and counted (`why="filtered"`).',
    )
    id: fields.Id = Field(
        description="Path of the field that holds the profile's id; with `key_framing`, `key` (text) or a path that "
        "begins with `key.` (Avro) leads into the key. Or an expression that makes it: `{value: sha256(lower(email))}`."
    )
    attributes: fields.Attributes = Field(
        description="Target's name of each attribute and the path of its field, or an expression that makes it "
        "(docs/expressions.md): `{city: address.city, source: {value: \"'crm'\"}}`; or `all`."
    )
    unsafe_text: Literal["dead_letter", "replace", "encode"] = Field(
        default="dead_letter",
        description="What happens to a record with a comma or line break in a value: it becomes a dead letter, or a "
        "space takes their place, or they are sent percent-encoded (only where Target was seen to take it).",
    )
    long_values: Literal["send", "clip", "dead_letter"] = Field(
        default="send",
        description="What happens to a value of more than 256 characters, more than a page may send of the same "
        "attribute (docs/limits.md): it is sent as it is, or its first 256 characters are, with a warning for each "
        "attribute; or its record becomes a dead letter.",
    )
    on_delete: Literal["skip", "dead_letter", "send"] = Field(
        default="skip",
        description="What happens to a delete, or a record without a value, as Target cannot delete a profile: it is "
        "left out and counted, or becomes a dead letter, or (`send`) a row with the attributes of `deleted`. A record "
        "without a value has an id only in its key (`key_framing`); otherwise it is left out and counted with `send`.",
    )
    deleted: fields.Texts = Field(
        default={},
        description="What is sent for a delete, with `on_delete: send`: text by Target's name, such as "
        "`{status: gone}`. All other attributes of the profile stay in Target as they are.",
    )
    on_null: fields.OnNull = Field(
        default="leave",
        description="What happens to a value that the source says is null or empty text, as Target cannot clear an "
        "attribute: `leave` sends nothing, so Target keeps the older value; `sentinel` sends the text `sentinel`. For "
        'all attributes, or by Target\'s name, with `*` for the others: `{tier: sentinel, "*": leave}`.',
    )
    sentinel: fields.Sent = Field(default=SENTINEL, description="What is sent for a null, where `on_null` says so.")

    @property
    def id_paths(self) -> tuple[str, ...]:
        """What the id is made of; with `key_framing` exactly one path."""
        return (self.id,) if isinstance(self.id, str) else Expression.parse(self.id[fields.VALUE]).paths

    @model_validator(mode="after")
    def _schema_is_given(self) -> Self:
        fields.refuse(framings.problems(self))
        return self

    @model_validator(mode="after")
    def _deletes_can_be_sent(self) -> Self:
        send = self.on_delete == "send"
        fields.refuse(
            [
                "on_delete send needs deleted; say what to send, such as {status: gone}"
                if send and not self.deleted
                else None,
                "deleted is only for on_delete send; leave one out" if self.deleted and not send else None,
                "on_delete send needs key_framing, or a shape whose deletes hold an id; write skip or dead_letter"
                if send and self.shape == "flat" and self.key_framing == "none"
                else None,
                "on_delete send needs delete_flag with the shape jdbc; say by which field a deleted row is known"
                if send and self.shape == "jdbc" and not self.delete_flag and self.key_framing == "none"
                else None,
                "gaps is only for Salesforce's shapes; leave it out"
                if self.gaps == "block" and not self.shape.startswith("salesforce")
                else None,
                "unavailable_value is only for Debezium's shapes; leave it out"
                if self.unavailable_value != UNAVAILABLE and not self.shape.startswith("debezium")
                else None,
                "delete_flag is only for the shape jdbc; leave it out, or write shape: jdbc"
                if self.delete_flag and self.shape != "jdbc"
                else None,
            ]
        )
        return self

    @model_validator(mode="after")
    def _nulls_are_of_attributes(self) -> Self:
        named = () if isinstance(self.on_null, str) else self.on_null
        known = None if self.attributes == "all" else {*self.attributes, OTHERS}
        fields.refuse(
            f"on_null names {one_line(name)}, which attributes does not; name it there, or leave it out"
            for name in named
            if known is not None and name not in known
        )
        return self
