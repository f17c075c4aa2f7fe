"""Every figure for Prometheus in one table, with its meaning and with what an operator does about it.

`metrics` counts them, `docs/telemetry.md` prints the table.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

# Calls take from a fraction of a second to the time-out, 60 s by default; ages run to the longest hold and beyond.
_CALL_SECONDS: Final = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120)
_AGE_SECONDS: Final = (1, 2.5, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600)
# Complete within 5 minutes where it was seen, usually under an hour, at most a day (AdobeDocs profile-bulk-api.md).
_COMPLETION_SECONDS: Final = (30, 60, 120, 300, 600, 1800, 3600, 7200, 14400, 43200, 86400)
_BODY_BYTES: Final = (1e3, 1e4, 1e5, 1e6, 5e6, 1e7, 2e7, 3e7, 4e7, 5e7)  # Target's limit is the last


@dataclass(frozen=True, slots=True)
class Metric:
    """One figure.

    Attributes:
        name: as Prometheus sees it, unit last.
        kind: what it is to Prometheus.
        meaning: one sentence.
        action: what an operator does about it.
        labels: their names.
        buckets: upper bounds, for a histogram.
    """

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    meaning: str
    action: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


METRICS: Final = (
    Metric(
        "target_connector_build_info",
        "gauge",
        "Always 1; its label names the version that runs.",
        "Compare replicas after a roll-out.",
        labels=("version",),
    ),
    Metric(
        "target_connector_reader_info",
        "gauge",
        "1 for the way in which records are taken from the Kafka client: `extension` (in C) or `client`.",
        "`client` where `extension` is expected: see `reading_slowly` in the log.",
        labels=("reader",),
    ),
    Metric(
        "target_connector_records_polled_total",
        "counter",
        "Records that came from Kafka.",
        "Flat while the lag grows: see target_connector_trouble; Target may be full, so that the source is paused.",
    ),
    Metric(
        "target_connector_polled_bytes_total",
        "counter",
        "Bytes of these records' values.",
        "Divide by the records for their mean size, when sizing the memory.",
    ),
    Metric(
        "target_connector_columns",
        "gauge",
        "1 while records are decoded in columns, 0 where the fast decoder failed its self-test at start.",
        "0: see the log's `columns_off`; decoding takes ten times as long.",
    ),
    Metric(
        "target_connector_records_read_singly_total",
        "counter",
        "Records decoded one by one: `damaged` (among some dozens one is not readable, or holds a value out of range), "
        "`schema` (recursive, or of a type that only the slow decoder reads), `engine` (the fast decoder is off).",
        "Much of `schema`: leave out or change the field; all is right, but decoding takes ten times as long.",
        labels=("why",),
    ),
    Metric(
        "target_connector_assigned_partitions",
        "gauge",
        "Partitions that this replica owns.",
        "0 for long: there are more replicas than partitions, or the group cannot settle.",
    ),
    Metric(
        "target_connector_topic_partitions",
        "gauge",
        "Partitions of all topics together, once known; the call budget is shared by this.",
        "The sum of assigned partitions over all replicas should equal it.",
    ),
    Metric(
        "target_connector_lag_records",
        "gauge",
        "Records in the owned partitions beyond what is settled.",
        "Alert when it grows for longer than Target's outages may last; add replicas up to the number of partitions.",
    ),
    Metric(
        "target_connector_lag_unknown_partitions",
        "gauge",
        "Owned partitions that the lag leaves out, as Kafka has not yet told their end or what is committed.",
        "Above 0 for minutes: a partition without a leader, or Target so slow that nothing is fetched.",
    ),
    Metric(
        "target_connector_offset_resets_total",
        "counter",
        "How often a partition did not go on with the record that was next: see the log event `offset_reset`.",
        "Any: see that event; it says where, and whether records were lost.",
    ),
    Metric(
        "target_connector_records_lost_total",
        "counter",
        "Offsets that Kafka's retention deleted before they were read.",
        "Any: page. Lengthen the topic's retention, and let the source send those profiles again.",
    ),
    Metric(
        "target_connector_dead_letters_total",
        "counter",
        "Records that went to the dead-letter topic, by reason.",
        "Any: `target-connector dead-letters list` says why and where from; mend the source, then replay them.",
        labels=("reason",),
    ),
    Metric(
        "target_connector_records_skipped_total",
        "counter",
        "Records left out by a setting (`tombstone`, `delete`; `filtered`: by `where`), as they had nothing to say "
        "(`empty`), or as they are about no profile (`truncate`, `message`, `transaction`, `heartbeat`).",
        "A sudden rise of `empty`: the source no longer fills the mapped fields; of `filtered`: nor those of `where`. "
        "`truncate`: the table's profiles stay in Target.",
        labels=("why",),
    ),
    Metric(
        "target_connector_deletes_sent_total",
        "counter",
        "Deletes for which rows with the attributes of `deleted` are sent (`on_delete: send`).",
        "Compare with the deletes of the source; activities must look at these attributes.",
    ),
    Metric(
        "target_connector_nulls_total",
        "counter",
        "Values that the source says are null or empty text: `left`, so that Target keeps the older value, or sent as "
        "the `sentinel` (`on_null`).",
        "Many `left` in attributes that a customer may clear: Target keeps what is gone; set `on_null`.",
        labels=("outcome",),
    ),
    Metric(
        "target_connector_long_values_total",
        "counter",
        "Values of more than 256 characters, by what the source's `long_values` says: `send` or `clip`.",
        "Any: the log's `long_values` names the attributes; a page may not send such a value, and may cut it.",
        labels=("rule",),
    ),
    Metric(
        "target_connector_target_calls_total",
        "counter",
        "Calls to Target, by outcome.",
        "`throttled`: lower target.calls_per_minute; `unauthorized`: renew the token; `misconfigured`: see the log.",
        labels=("outcome",),
    ),
    Metric(
        "target_connector_target_call_seconds",
        "histogram",
        "How long a call to Target took, whatever its outcome.",
        "Near target.timeout: smaller windows, or ask Adobe.",
        buckets=_CALL_SECONDS,
    ),
    Metric(
        "target_connector_target_body_bytes",
        "histogram",
        "Size of the bodies sent to Target.",
        "Far under window.max_bytes at a high call rate: let windows grow older.",
        buckets=_BODY_BYTES,
    ),
    Metric(
        "target_connector_budget_wait_seconds_total",
        "counter",
        "How long calls waited for the account's budget.",
        "Rises steadily: larger windows, so that fewer calls are needed.",
    ),
    Metric(
        "target_connector_budget_pace",
        "gauge",
        "How much of its part of the budget the replica may use: 1, or less for minutes after a 503 or 429.",
        "Often below 1: other tools use the account too; lower target.calls_per_minute.",
    ),
    Metric(
        "target_connector_target_body_limit_bytes",
        "gauge",
        "Size of the body that Target took after a 413 to a larger one; 0 while it never answered 413.",
        "Not 0: set window.max_bytes below it, and every batch is one call again.",
    ),
    Metric(
        "target_connector_batches_accepted_total",
        "counter",
        "Batches that are settled, by why their window was closed.",
        "Mostly `rows` or `bytes`: the service is at its limit; mostly `age`: it keeps up.",
        labels=("due",),
    ),
    Metric(
        "target_connector_records_settled_total",
        "counter",
        "Records that these batches settled: their offsets may be committed.",
        "Its rate against that of the polled records shows whether delivery keeps up.",
    ),
    Metric(
        "target_connector_rows_accepted_total",
        "counter",
        "Rows, one per profile and batch, that Target accepted.",
        "Compare with Target's own figures.",
    ),
    Metric(
        "target_connector_rows_refused_total",
        "counter",
        "Rows that Target refused, or that are over a limit of its; their records are dead letters.",
        "Any: see the dead letters with the reasons `refused`, `row_too_large` and `profile_too_large`.",
    ),
    Metric(
        "target_connector_batch_age_seconds",
        "histogram",
        "From the arrival of a batch's first record to its acceptance.",
        "This is how late profiles are; alert on what your site can bear.",
        buckets=_AGE_SECONDS,
    ),
    Metric(
        "target_connector_status_calls_total",
        "counter",
        "Questions for a batch's status, by answer; `refused_address` was not asked. They count in the call budget.",
        "`refused_address`: a proxy rewrites Target's answers; mostly `unanswered`: let *.tt.omtrdc.net be reached.",
        labels=("state",),
    ),
    Metric(
        "target_connector_unconfirmed_batches",
        "gauge",
        "Batches that Target accepted and that are followed until it has completed them.",
        "At target.unconfirmed.batches, with commit_on `complete`: delivery waits for Target; watch the lag.",
    ),
    Metric(
        "target_connector_batches_followed_total",
        "counter",
        "Accepted batches of which the end is known, or not to be known any more, by end.",
        "`stuck`: ask Adobe; mostly `unconfirmed` or `gone`: larger windows, or other tools send many batches too.",
        labels=("end",),
    ),
    Metric(
        "target_connector_rows_failed_total",
        "counter",
        "Rows that Target accepted and then could not apply.",
        "Any: `target-connector status NUMBER --ids` lists those that Target names; send their records again.",
    ),
    Metric(
        "target_connector_rows_not_found_total",
        "counter",
        "Rows that Target accepted, of profiles that it did not find.",
        "Version 2 of the API creates profiles, so any is worth a question to Adobe.",
    ),
    Metric(
        "target_connector_batch_completion_seconds",
        "histogram",
        "From a batch's acceptance to its completion, as seen by the questions, the first of which comes after "
        "target.follow_after.",
        "Add it to the batch's age: this is how late profiles are on the site.",
        buckets=_COMPLETION_SECONDS,
    ),
    Metric(
        "target_connector_token_expiry_timestamp_seconds",
        "gauge",
        "When Target's token expires, in seconds since 1970; NaN where target.token_expires_file does not say.",
        "Alert at 7 days left (`… - time() < 7 * 86400`): issue a new token and put it into target.token_file.",
    ),
    Metric(
        "target_connector_trouble",
        "gauge",
        "1 while a part is in trouble.",
        "Alert after some minutes; /readyz and the log say what it is and the remedy. `pipeline` waits for a human.",
        labels=("part",),
    ),
)
