"""Every reason of a dead letter, with its meaning and with what an operator does about it.

The list is closed: a test holds it to `records.Reason`. `reference` prints it as `docs/dead-letter-reasons.md`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from connector.records import Reason

if TYPE_CHECKING:
    from collections.abc import Mapping


class Meaning(NamedTuple):
    """What a reason says.

    Attributes:
        meaning: one sentence.
        remedy: what to mend before the letters are replayed.
    """

    meaning: str
    remedy: str


REASONS: Final[Mapping[Reason, Meaning]] = {
    Reason.FRAMING: Meaning(
        "The record does not name its schema as the source's `framing` says.",
        "Somebody writes something else to the topic: mend that producer. If all records are so, correct `framing`.",
    ),
    Reason.SCHEMA_UNKNOWN: Meaning(
        "The registry, or `schema_dir`, does not have the schema that the record names, or it cannot be used.",
        "Register the schema again under its id, add its file, or correct `registry.url`; then replay.",
    ),
    Reason.UNREADABLE: Meaning(
        "The bytes are no datum of the schema that they name; the detail says at which byte.",
        "Mend the producer and have it send the record anew; a replay reads the same bytes.",
    ),
    Reason.TOMBSTONE: Meaning(
        "The record has no value, and the source says `on_delete: dead_letter`.",
        "Delete the profile by Target's own means, if that is what it asks for. A replay changes nothing.",
    ),
    Reason.SHAPE: Meaning(
        "The record is not laid out as the source's `shape` says; the detail says in what.",
        "Correct `shape`, or mend the producer; then replay.",
    ),
    Reason.DELETED: Meaning(
        "The record is a delete, and the source says `on_delete: dead_letter`.",
        "Delete the profile by Target's own means. A replay changes nothing, unless `on_delete` is `send` by then.",
    ),
    Reason.GAP: Meaning(
        "Salesforce says that changes of these records, or of any, are missing: the event holds none (`GAP_…`).",
        "Let the source send these records anew. A replay changes nothing.",
    ),
    Reason.ID_MISSING: Meaning(
        "The field of the id is null or empty.",
        "Mend the producer, or correct the source's `id`; then replay.",
    ),
    Reason.ID_TOO_LONG: Meaning(
        "The id has more than 128 characters, more than Target takes.",
        "Mend the producer, or choose another field as `id`; then replay.",
    ),
    Reason.ID_FORBIDDEN: Meaning(
        "The id holds a character that Target cannot take in an id.",
        "Mend the producer, or choose another field as `id`; then replay.",
    ),
    Reason.UNSAFE_TEXT: Meaning(
        "A value holds a comma or a line break, and the source says `unsafe_text: dead_letter`; the detail names the"
        " attribute.",
        "Set `unsafe_text: replace` and replay, or mend the producer.",
    ),
    Reason.VALUE_TOO_LONG: Meaning(
        "A value has more than 256 characters, and the source says `long_values: dead_letter`; the detail names the"
        " attribute.",
        "Set `long_values: clip` and replay, leave the attribute out, or mend the producer.",
    ),
    Reason.ROW_TOO_LARGE: Meaning(
        "The profile alone is larger than a batch may be; the detail may be Target's answer, which may repeat a value"
        " and is shown only with `--values`.",
        "Map fewer or smaller attributes; then replay.",
    ),
    Reason.PROFILE_TOO_LARGE: Meaning(
        "The profile alone has more than 64 KB of names and values, of which Target would drop the oldest unasked.",
        "Map fewer attributes, or shorter ones (`long_values: clip`); then replay.",
    ),
    Reason.REFUSED: Meaning(
        "Target refused a batch that held only this profile; its answer is the detail, which may repeat a value and is"
        " shown only with `--values`.",
        "Do what Target's answer says; then replay.",
    ),
}
