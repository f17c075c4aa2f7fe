"""The shapes in columns against the docs read record by record, over generated polls."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from hypothesis import given, settings
from hypothesis import strategies as st

from connector.records import ASSIGNMENT, OFFSET, ROW
from tests.samples import salesforce
from tests.samples.debezium import UNAVAILABLE, change
from tests.samples.files import SAMPLES
from tests.unit.test_shapes import feed, frame

if TYPE_CHECKING:
    from connector.feeds import Read

Meaning = list[tuple[str, dict[str, str | None]]] | str
SLOW = settings(deadline=None, max_examples=150)
texts = st.sampled_from([None, "", "a", "b, c", UNAVAILABLE])
ids = st.sampled_from(["x", "y", "", "no/id"])


def plain(customer: str | None, cells: dict[str, str | None]) -> Meaning:
    """A row, or why its record is a dead letter."""
    if not customer:
        return "id_missing"
    if "/" in customer:
        return "id_forbidden"
    if any(text is not None and "," in text for text in cells.values()):
        return "unsafe_text"
    return [(customer, cells)]


def said(text: str | None, *, known: bool = True) -> str | None:
    """A cell with `on_null: sentinel`."""
    if text == UNAVAILABLE or not known:
        return None
    return text or "NONE"


def told(read: Read, count: int) -> list[Meaning]:
    """What each record of a poll became."""
    meanings: list[Any] = [None] * count
    for letters in read.refused:
        for number, reason, _ in letters.iter_rows():
            meanings[number] = reason
    for held in read.rows.drop(ASSIGNMENT, OFFSET).to_dicts():
        number = held.pop(ROW)
        meanings[number] = [*(meanings[number] or []), (held.pop("#id"), held)]
    return [meaning or "left out" for meaning in meanings]


def check(name: str, datums: list[dict[str, Any]], expected: list[Meaning], **source: Any) -> None:
    schema = SAMPLES[name].schema
    read = asyncio.run(feed(schema, **source).read("crm", frame(schema, datums)))
    assert told(read, len(datums)) == expected
    assert sum(read.skipped.values()) == expected.count("left out")


rows = st.fixed_dictionaries({"customer_id": ids, "tier": texts, "notes": texts})
ops = st.tuples(st.sampled_from("crudtmx"), rows, rows)


@SLOW
@given(st.lists(ops, min_size=1, max_size=12))
def test_debezium_means_what_the_docs_say(events: list[tuple[str, dict[str, Any], dict[str, Any]]]) -> None:
    """Whatever the operations and values of a poll, each record becomes what it alone would."""
    at: dict[str, Any] = {"schema": "public", "txId": 1, "lsn": 2}
    rest = {"tags": None, "updated_at": None}
    datums: list[dict[str, Any]] = []
    expected: list[Meaning] = []
    for op, before, after in events:
        upsert, delete = op in "cru", op == "d"
        images = before | rest if delete else None, after | rest if upsert or op == "x" else None
        datums.append(change("postgresql", op, *images, **at))
        if op in "tm":
            expected.append("left out")
        elif delete:
            expected.append(plain(before["customer_id"], {"tier": "gone", "notes": None}))
        elif upsert:
            cells = {name: after[name] for name in ("tier", "notes")}
            meaning = plain(after["customer_id"], cells)
            sent = {name: said(text) for name, text in cells.items()}
            expected.append([(after["customer_id"], sent)] if isinstance(meaning, list) else meaning)
        else:
            expected.append("shape")
    check(
        "debezium-postgresql", datums, expected,
        shape="debezium", id="customer_id", attributes={"tier": "tier", "notes": "notes"},
        on_null="sentinel", on_delete="send", deleted={"tier": "gone"},
    )  # fmt: skip


FIELDS = [field["name"] for field in salesforce.SCHEMA["fields"]]  # type: ignore[index]
kinds = st.sampled_from(salesforce.KINDS)
values = st.fixed_dictionaries(
    {"Phone": st.sampled_from([None, "1", "2, 3"]), "Tier__c": st.sampled_from([None, "gold"]),
     "BillingAddress": st.none() | st.builds(salesforce.address, st.sampled_from([None, "Graz"]))}
)  # fmt: skip
outer = st.sets(st.integers(1, 10))
inner = st.sets(st.integers(0, 3))
changes = st.tuples(kinds, st.lists(ids, max_size=3), values, outer, inner, outer)


def bitmap(bits: set[int]) -> list[str]:
    return [f"0x{sum(1 << bit for bit in bits):X}"] if bits else []


@SLOW
@given(st.lists(changes, min_size=1, max_size=12))
def test_salesforce_means_what_the_docs_say(events: list[tuple[Any, ...]]) -> None:
    """Kinds, several records, nulls that are listed and that are not, differences: together as each alone."""
    datums: list[dict[str, Any]] = []
    expected: list[Meaning] = []
    places = {
        "Phone": FIELDS.index("Phone"),
        "Tier__c": FIELDS.index("Tier__c"),
        "city": FIELDS.index("BillingAddress"),
    }
    for kind, about, fields, nulled, nested, diffs in events:
        listed = [*bitmap(nulled), *(f"{places['city']}-{text}" for text in bitmap(nested))]
        head = salesforce.header(kind, *about, nulled=listed, diffs=bitmap(diffs))
        datums.append(salesforce.event(head, **fields))
        if kind.startswith("GAP") and kind != "GAP_DELETE":
            expected.append("gap")
            continue
        if diffs & {*places.values()}:
            expected.append("shape")
            continue
        if kind.endswith("DELETE") and kind != "UNDELETE":
            expected.append("left out")
            continue
        address = fields["BillingAddress"]
        held = {"Phone": fields["Phone"], "Tier__c": fields["Tier__c"], "city": address and address["City"]}
        known = {name: text is not None or places[name] in nulled for name, text in held.items()}
        known["city"] |= 1 in nested
        expected.append(_of_each(about, held, known))
    check(
        "salesforce", datums, expected,
        shape="salesforce", id="ChangeEventHeader.recordIds", on_null="sentinel",
        attributes={"Phone": "Phone", "Tier__c": "Tier__c", "city": "BillingAddress.City"},
    )  # fmt: skip


def _of_each(about: list[str], held: dict[str, str | None], known: dict[str, bool]) -> Meaning:
    """A row for each record, or the first reason in the order in which the mapping looks."""
    meanings = [plain(one, held) for one in about or [""]]
    for reason in ("id_missing", "id_forbidden", "unsafe_text"):
        if reason in meanings:
            return reason
    return [(one, {name: said(text, known=known[name]) for name, text in held.items()}) for one in about]
