"""Salesforce's change events: from the Pub/Sub API, and through Confluent's source."""

from __future__ import annotations

from typing import Any

from tests.samples.sample import Event, Sample, row

KINDS = [
    "CREATE", "UPDATE", "DELETE", "UNDELETE", "GAP_CREATE", "GAP_UPDATE", "GAP_DELETE", "GAP_UNDELETE",
    "GAP_OVERFLOW", "SNAPSHOT",
]  # fmt: skip
FIRST, SECOND = "001Dp00000KtyAaIAJ", "001Dp00000KtyAbIAJ"


def optional(name: str, kind: Any, doc: str) -> dict[str, Any]:
    return {"name": name, "type": ["null", *(kind if isinstance(kind, list) else [kind])], "doc": doc, "default": None}


def compound(name: str, *fields: str) -> dict[str, Any]:
    parts = [{"name": field, "type": ["null", "string"], "default": None} for field in fields]
    return {"type": "record", "name": name, "fields": parts}


def _texts(name: str) -> dict[str, Any]:
    return {"name": name, "type": {"type": "array", "items": "string"}}


HEADER = {
    "type": "record",
    "name": "ChangeEventHeader",
    "fields": [
        {"name": "entityName", "type": "string"},
        _texts("recordIds"),
        {"name": "changeType", "type": {"type": "enum", "name": "ChangeType", "symbols": KINDS}},
        {"name": "changeOrigin", "type": "string"},
        {"name": "transactionKey", "type": "string"},
        {"name": "sequenceNumber", "type": "int"},
        {"name": "commitTimestamp", "type": "long"},
        {"name": "commitNumber", "type": "long"},
        {"name": "commitUser", "type": "string"},
        _texts("nulledFields"),
        _texts("diffFields"),
        _texts("changedFields"),
    ],
}
# Bit numbers: 0 the header, 1 Name, 2 Type, 3 BillingAddress, 4 ShippingAddress, 5 Phone, 6 Description, …
SCHEMA = {
    "type": "record",
    "name": "AccountChangeEvent",
    "namespace": "com.sforce.eventbus",
    "fields": [
        {"name": "ChangeEventHeader", "type": HEADER, "doc": "Data:ComplexValueType"},
        optional(
            "Name",
            ["string", compound("Switchable_PersonName", "Salutation", "FirstName", "LastName")],
            "Data:Switchable_PersonName",
        ),
        optional("Type", "string", "Data:DynamicEnum"),
        optional("BillingAddress", compound("Address", "Street", "City", "PostalCode", "Country"), "Data:Address"),
        optional("ShippingAddress", "Address", "Data:Address"),
        optional("Phone", "string", "Data:Phone"),
        optional("Description", "string", "Data:StringPlusClob"),
        optional("AnnualRevenue", "double", "Data:Currency"),
        optional("OwnerId", "string", "ForeignKey:EntityId"),
        optional("LastModifiedDate", "long", "Data:DateTime"),
        optional("Tier__c", "string", "Data:DynamicEnum:00NDp00000BbvCY"),
    ],
}
ATTRIBUTES = {
    "firstName": "Name.FirstName",
    "city": "BillingAddress.City",
    "phone": "Phone",
    "notes": "Description",
    "tier": "Tier__c",
}
NOTHING = dict.fromkeys(ATTRIBUTES)


def header(kind: str, *ids: str, changed: list[str] | None = None, **lists: list[str]) -> dict[str, Any]:
    """A header's datum."""
    return {
        "entityName": "Account",
        "recordIds": list(ids),
        "changeType": kind,
        "changeOrigin": "com/salesforce/api/soap/65.0;client=SfdcInternalAPI/",
        "transactionKey": "000c5c8d-7c8d-5b5e-0f5e-0d4a5b6c7d8e",
        "sequenceNumber": 1,
        "commitTimestamp": 1_767_225_600_000,
        "commitNumber": 11_985_000_000_000,
        "commitUser": "005Dp000001KtyAIAS",
        "nulledFields": lists.get("nulled", []),
        "diffFields": lists.get("diffs", []),
        "changedFields": changed or [],
    }


def event(head: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """An event's datum."""
    names = [field["name"] for field in SCHEMA["fields"]]  # type: ignore[index]
    return dict.fromkeys(names) | {"ChangeEventHeader": head, **fields}


def person(first: str | None = None, last: str | None = None) -> tuple[str, dict[str, str | None]]:
    """A compound name, as fastavro takes a branch of a union."""
    return "com.sforce.eventbus.Switchable_PersonName", {"Salutation": None, "FirstName": first, "LastName": last}


def address(city: str | None = None, street: str | None = None) -> dict[str, str | None]:
    """A compound address."""
    return {"Street": street, "City": city, "PostalCode": None, "Country": None}


def _pubsub() -> Sample:
    created = event(
        header("CREATE", FIRST),
        Name=person("Ada", "Byron"),
        BillingAddress=address("Graz"),
        Phone="123",
        Tier__c="gold",
        LastModifiedDate=1_767_225_600_000,
    )
    whole = {"firstName": "Ada", "city": "Graz", "phone": "123", "notes": None, "tier": "gold"}
    return Sample(
        "salesforce",
        SCHEMA,
        {
            "shape": "salesforce",
            "id": "ChangeEventHeader.recordIds",
            "attributes": ATTRIBUTES,
            "on_delete": "send",
            "deleted": {"tier": "none"},
            "on_null": "sentinel",
        },
        [
            Event("create", created, row(FIRST, **whole)),
            Event(
                "update of one field",
                event(header("UPDATE", FIRST, changed=["0x0600"]), LastModifiedDate=1, Tier__c="silver"),
                row(FIRST, **NOTHING | {"tier": "silver"}),
            ),
            Event(
                "update of a part of a compound field",
                event(
                    header("UPDATE", FIRST, changed=["0x0200", "1-0x02"]), Name=person("Augusta"), LastModifiedDate=1
                ),
                row(FIRST, **NOTHING | {"firstName": "Augusta"}),
            ),
            Event(
                "update to null",
                event(header("UPDATE", FIRST, changed=["0x0220"], nulled=["0x0020"]), LastModifiedDate=1),
                row(FIRST, **NOTHING | {"phone": "NONE"}),
            ),
            Event(
                "update of a part of a compound field to null",
                event(header("UPDATE", FIRST, changed=["1-0x06"], nulled=["1-0x02"]), Name=person(last="King")),
                row(FIRST, **NOTHING | {"firstName": "NONE"}),
            ),
            Event(
                "update of a compound field to null",
                event(header("UPDATE", FIRST, changed=["0x08"], nulled=["0x08"])),
                row(FIRST, **NOTHING | {"city": "NONE"}),
            ),
            Event(
                "one change of two records",
                event(header("UPDATE", FIRST, SECOND, changed=["0x0400"]), Tier__c="basic"),
                row(FIRST, **NOTHING | {"tier": "basic"}) + row(SECOND, **NOTHING | {"tier": "basic"}),
            ),
            Event("undelete", created | {"ChangeEventHeader": header("UNDELETE", FIRST)}, row(FIRST, **whole)),
            Event("snapshot", created | {"ChangeEventHeader": header("SNAPSHOT", FIRST)}, row(FIRST, **whole)),
            Event("delete", event(header("DELETE", FIRST)), row(FIRST, **NOTHING | {"tier": "none"})),
            Event("gap: delete", event(header("GAP_DELETE", FIRST)), row(FIRST, **NOTHING | {"tier": "none"})),
            *(
                Event(f"gap: {kind.lower()}", event(header(f"GAP_{kind}", FIRST)), "gap")
                for kind in ("CREATE", "UPDATE", "UNDELETE", "OVERFLOW")
            ),
            Event(
                "difference of a large text",
                event(header("UPDATE", FIRST, changed=["0x0040"], diffs=["0x40"]), Description="--- \n+++ \n@@ -1 @@"),
                "shape",
            ),
            Event("a bitmap that is none", event(header("UPDATE", FIRST, nulled=["0xZZ"]), Tier__c="gold"), "shape"),
            Event("no record", event(header("UPDATE", changed=["0x0400"]), Tier__c="gold"), "id_missing"),
        ],
    )


def _connect() -> Sample:
    def optional(name: str, kind: Any) -> dict[str, Any]:
        return {"name": name, "type": ["null", kind], "default": None}

    instant = {
        "type": "long",
        "connect.version": 1,
        "connect.name": "org.apache.kafka.connect.data.Timestamp",
        "logicalType": "timestamp-millis",
    }
    schema = {
        "type": "record",
        "name": "Contact",
        "namespace": "io.confluent.salesforce",
        "fields": [
            optional("Id", "string"),
            optional("FirstName", "string"),
            optional("Email", "string"),
            optional("LastModifiedDate", instant),
            optional("ReplayId", "string"),
            optional("_ObjectType", "string"),
            optional("_EventType", "string"),
        ],
        "connect.name": "io.confluent.salesforce.Contact",
    }

    def record(kind: str, **fields: Any) -> dict[str, Any]:
        names = ("Id", "FirstName", "Email", "LastModifiedDate")
        appended = {"ReplayId": "571", "_ObjectType": "Contact", "_EventType": kind}
        return dict.fromkeys(names) | {"Id": FIRST} | fields | appended

    return Sample(
        "salesforce-connect",
        schema,
        {
            "shape": "salesforce-connect",
            "id": "Id",
            "attributes": {"firstName": "FirstName", "email": "Email", "at": "LastModifiedDate"},
            "on_null": "sentinel",
        },
        [
            Event(
                "create",
                record("CREATE", FirstName="Ada", Email="a@example.com", LastModifiedDate=1_767_225_600_000),
                row(FIRST, firstName="Ada", email="a@example.com", at="2026-01-01T00:00:00.000Z"),
            ),
            Event(
                "update",
                record("UPDATE", Email="b@example.com"),
                row(FIRST, firstName=None, email="b@example.com", at=None),
            ),
            Event("undelete", record("UNDELETE", FirstName="Ada"), row(FIRST, firstName="Ada", email=None, at=None)),
            Event("delete", record("DELETE"), "delete"),
            Event("delete of a push topic", record("deleted"), "delete"),
            Event("gap", record("GAP_UPDATE"), "gap"),
            Event("a kind that is none", record("RENAMED", FirstName="Ada"), "shape"),
        ],
    )


SAMPLES = [_pubsub(), _connect()]
