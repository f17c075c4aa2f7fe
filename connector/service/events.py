"""Every event that the log can hold: its name, level, fields, meaning, and what an operator does about it.

`docs/telemetry.md` prints the table; `logs` refuses a name or a field that is not in it. No field ever holds an
attribute value, a profile's id or a secret. Whoever logs takes the constants from here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal


@dataclass(frozen=True, slots=True)
class Event:
    """One kind of log line.

    Attributes:
        name: the value of its `event`.
        level: as it is logged.
        fields: what else it holds.
        meaning: one sentence.
        action: what an operator does about it.
    """

    name: str
    level: Literal["info", "warning", "error"]
    fields: tuple[str, ...]
    meaning: str
    action: str


STARTING: Final = "starting"
WARNED: Final = "warned"
LISTENING: Final = "listening"
ADMIN_LISTENING: Final = "admin_listening"
COLUMNS_OFF: Final = "columns_off"
READING: Final = "reading"
READING_SLOWLY: Final = "reading_slowly"
ASSIGNED: Final = "assigned"
BATCH_ACCEPTED: Final = "batch_accepted"
OFFSET_RESET: Final = "offset_reset"
LONG_VALUES: Final = "long_values"
NARROWED: Final = "narrowed"
DEAD_LETTERED: Final = "dead_lettered"
BATCH_FOLLOWED: Final = "batch_followed"
ROWS_FAILED: Final = "rows_failed"
STATUS_ADDRESS_REFUSED: Final = "status_address_refused"
EXPIRES: Final = "token_expires"
TOPIC_CREATED: Final = "topic_created"
TROUBLE: Final = "trouble"
RECOVERED: Final = "recovered"
STARTING_OVER: Final = "starting_over"
SETTINGS_CHANGED: Final = "settings_changed"
STOPPING: Final = "stopping"
STOPPED: Final = "stopped"
FAILED: Final = "failed"
LIBRARY: Final = "library"

EVENTS: Final = (
    Event(STARTING, "info", ("version", "settings"), "The settings as understood, secrets masked.", "None."),
    Event(WARNED, "warning", ("text",), "A combination of settings has a risk.", "Change them, or accept the risk."),
    Event(LISTENING, "info", ("host", "port"), "The health page and the metrics can be asked.", "None."),
    Event(
        ADMIN_LISTENING,
        "info",
        ("host", "port"),
        "The commands `status` and `unblock` can be used on this machine.",
        "None; `--port` of these commands takes another port than `service.admin_port`.",
    ),
    Event(
        COLUMNS_OFF,
        "warning",
        ("why",),
        "The fast decoder is not usable here, so records are decoded one by one: all is right, but slower.",
        "Install the versions of polars-avro and nanoarrow that `requirements/run.txt` names, or use the image.",
    ),
    Event(
        READING,
        "info",
        ("reader",),
        "How records are taken from the Kafka client: `extension` drains them in C, `client` makes an object of each.",
        "None.",
    ),
    Event(
        READING_SLOWLY,
        "warning",
        ("why",),
        "The C extension is not used, or not for all it can do, or arrow-avro is not usable beside it, so records cost "
        "more CPU; nothing else differs.",
        "Install with a C compiler at hand and the versions of `requirements/run.txt`, or set "
        "`service.extension: false` to have it so.",
    ),
    Event(
        ASSIGNED,
        "info",
        ("partitions", "all_partitions"),
        "This replica's share of the partitions changed.",
        "Often, without a roll-out: replicas come and go; look at their restarts.",
    ),
    Event(
        OFFSET_RESET,
        "warning",
        ("topic", "partition", "from_offset", "to_offset", "lost"),
        "A partition does not go on with the record that was next. `lost`: so many in between were deleted by Kafka's "
        "retention before they were read; null: it begins anew (topic created again, or cut off by a failover).",
        "`lost` above 0: lengthen the topic's retention, and let the source send those profiles again.",
    ),
    Event(
        BATCH_ACCEPTED,
        "info",
        ("number", "due", "records", "rows", "size_bytes", "calls", "refused", "age_s", "status_url"),
        "One batch is settled: how large, why it was due, how many calls it took, how old its first record was.",
        "None; `status_url` is where Target tells of its progress.",
    ),
    Event(
        LONG_VALUES,
        "warning",
        ("attribute", "rule"),
        "An attribute has values of more than 256 characters, which are sent or clipped as the source's `long_values` "
        "says; told once for each attribute.",
        "Shorten it at its source, or choose `clip` or `dead_letter`; `target_connector_long_values_total` counts.",
    ),
    Event(
        NARROWED,
        "warning",
        ("size_bytes",),
        "Target answered 413, and took a body of this size: batches are cut to it until the process ends.",
        "Set `window.max_bytes` below it.",
    ),
    Event(
        DEAD_LETTERED,
        "warning",
        ("reason", "count"),
        "So many records went to the dead-letter topic; at most one line per reason and ten seconds.",
        "`target-connector dead-letters list` says why and where from; mend the source, then `dead-letters replay`.",
    ),
    Event(
        TOPIC_CREATED,
        "info",
        ("topic",),
        "The dead-letter topic was missing and has been created.",
        "None, unless one with another name was meant; `dead_letters.create: false` forbids it.",
    ),
    Event(
        BATCH_FOLLOWED,
        "info",
        ("number", "end", "rows", "failed", "not_found", "asked", "after_s"),
        "What became of an accepted batch: `complete`, `stuck`, `gone`, or `unconfirmed` if Target forgot it before it "
        "was complete.",
        "None for `complete`; often `unconfirmed`: larger windows, so that ten batches last longer.",
    ),
    Event(
        ROWS_FAILED,
        "warning",
        ("number", "end", "failed"),
        "Target took a batch and then did not apply all of it; `stuck`: perhaps none of it.",
        "`target-connector status NUMBER --ids` lists the rows that Target names; send them again, or ask Adobe.",
    ),
    Event(
        STATUS_ADDRESS_REFUSED,
        "warning",
        (),
        "Target named an address for a batch's status that is neither its own nor the configured one; told once.",
        "Nothing was sent there. Behind a proxy: let it leave the answers as they are, or be target.base_url.",
    ),
    Event(
        EXPIRES,
        "warning",
        ("text",),
        "Target's token expires within 7 days, has expired, or its expiry is not known any more; told once a day.",
        "Issue a new token and replace both files; they are read again, no restart is needed.",
    ),
    Event(
        TROUBLE,
        "warning",
        ("part", "text"),
        "A part is in trouble; told once, and again when the text changes.",
        "`pipeline` waits for a human, the others heal by themselves; the text holds the remedy.",
    ),
    Event(RECOVERED, "info", ("part", "after_s"), "The part is well again.", "None."),
    Event(
        STARTING_OVER,
        "warning",
        ("why", "after_s"),
        "All parts are shut down and made anew, as in a restart; they read from the committed offsets.",
        "None after `unblocked` or a changed settings file; otherwise `why` says what to look at.",
    ),
    Event(
        SETTINGS_CHANGED,
        "info",
        ("settings",),
        "The settings file was changed while the service was blocked: the settings as understood, secrets masked.",
        "None.",
    ),
    Event(STOPPING, "info", ("why",), "No more records are fetched; what is open is delivered.", "None."),
    Event(STOPPED, "info", ("after_s",), "The process ends; what was not accepted is read again later.", "None."),
    Event(
        FAILED,
        "error",
        ("error", "text", "where"),
        "The process ends with exit code 1, because of `error` at `where`.",
        "Kubernetes starts it again; nothing is lost. Report it if `text` gives no remedy.",
    ),
    Event(
        LIBRARY,
        "warning",
        ("logger", "text", "error", "where"),
        "A library's own warning, its first line.",
        "Only of interest beside other trouble.",
    ),
)
