"""Whole schemas, as the tools write them for their standard objects: every field, in the tools' order.

The samples beside this file are small, to be read; these are as wide as what a topic really has: Debezium's envelope
of MySQL in its version 1, and the change events of Salesforce's Account (with person accounts) and Contact.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, NamedTuple

from tests.samples import salesforce
from tests.samples.salesforce import header, optional

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_PARTS = "Street City State PostalCode Country StateCode CountryCode Latitude Longitude GeocodeAccuracy"
_NAME = ("Salutation", "FirstName", "LastName")
_NUMBERS = dict.fromkeys(("Currency", "Double"), "double") | {"Integer": "int", "Boolean": "boolean"}
_TIMES = dict.fromkeys(("DateTime", "DateOnly"), "long")
_AVRO = _NUMBERS | _TIMES
ACCOUNT = """
Name:Switchable_PersonName Type RecordTypeId ParentId BillingAddress:Address ShippingAddress:Address Phone Fax
AccountNumber Website Sic Industry AnnualRevenue:Currency NumberOfEmployees:Integer Ownership TickerSymbol Description
Rating Site OwnerId CreatedDate:DateTime CreatedById LastModifiedDate:DateTime LastModifiedById PersonContactId
PersonMailingAddress:Address PersonOtherAddress:Address PersonMobilePhone PersonHomePhone PersonOtherPhone
PersonAssistantPhone PersonEmail PersonTitle PersonDepartment PersonAssistantName PersonLeadSource
PersonBirthdate:DateOnly PersonHasOptedOutOfEmail:Boolean PersonHasOptedOutOfFax:Boolean PersonDoNotCall:Boolean
PersonLastCURequestDate:DateTime PersonLastCUUpdateDate:DateTime PersonEmailBouncedReason
PersonEmailBouncedDate:DateTime PersonIndividualId PersonPronouns PersonGenderIdentity Jigsaw JigsawCompanyId
CleanStatus AccountSource DunsNumber Tradestyle NaicsCode NaicsDesc YearStarted SicDesc DandbCompanyId OperatingHoursId
"""
CONTACT = """
AccountId IsPersonAccount:Boolean Name:PersonName OtherAddress:Address MailingAddress:Address Phone Fax MobilePhone
HomePhone OtherPhone AssistantPhone ReportsToId Email Title Department AssistantName LeadSource Birthdate:DateOnly
Description OwnerId HasOptedOutOfEmail:Boolean HasOptedOutOfFax:Boolean DoNotCall:Boolean CreatedDate:DateTime
CreatedById LastModifiedDate:DateTime LastModifiedById LastCURequestDate:DateTime LastCUUpdateDate:DateTime
EmailBouncedReason EmailBouncedDate:DateTime Jigsaw JigsawContactId CleanStatus IndividualId Pronouns GenderIdentity
ContactSource BuyerAttributes
"""


class Standard(NamedTuple):
    """A topic of a tool.

    Attributes:
        schema: Avro, of the values.
        source: keys of the settings' source, topics left out.
        changes: key and datum of each record, or None for a record without a value; each profile in one of them, so
            that what becomes of it does not hang on when a window is closed.
        profiles: what Target has then, by id.
        dead: how many dead letters there are, by reason.
    """

    schema: dict[str, Any]
    source: dict[str, Any]
    changes: Sequence[tuple[str, dict[str, Any] | None]]
    profiles: Mapping[str, Mapping[str, str]]
    dead: Mapping[str, int]


def _address() -> dict[str, Any]:
    numbers = ("Latitude", "Longitude")
    parts = [
        {"name": name, "type": ["null", "double" if name in numbers else "string"], "default": None}
        for name in _PARTS.split()
    ]
    return {"type": "record", "name": "Address", "fields": parts}


def _change_event(entity: str, fields: str) -> dict[str, Any]:
    """Schema of an object's change events; `fields` are `name` for text, or `name:type` in Salesforce's words."""
    seen: set[str] = set()
    made = [{"name": "ChangeEventHeader", "type": salesforce.HEADER, "doc": "Data:ComplexValueType"}]
    for name, _, kind in (field.partition(":") for field in fields.split()):
        avro: Any = _AVRO.get(kind, "string")
        if kind.endswith("PersonName"):
            whole = salesforce.compound(kind, *_NAME)
            avro = ["string", whole] if kind.startswith("Switchable") else whole
        elif kind == "Address":  # defined once, then named
            avro = "Address" if kind in seen else _address()
        seen.add(kind)
        made.append(optional(name, avro, f"Data:{kind or 'Text'}"))
    return {"type": "record", "name": f"{entity}ChangeEvent", "namespace": "com.sforce.eventbus", "fields": made}


def _event(schema: dict[str, Any], head: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return dict.fromkeys(field["name"] for field in schema["fields"]) | {"ChangeEventHeader": head, **fields}


def _place(**parts: Any) -> dict[str, Any]:
    return dict.fromkeys(_PARTS.split()) | parts


def bits(schema: dict[str, Any], *names: str) -> str:
    """The bitmap over a schema's fields that names these."""
    order = [field["name"] for field in schema["fields"]]
    return f"0x{sum(1 << order.index(name) for name in names):08X}"


def _account() -> Standard:
    schema = _change_event("Account", ACCOUNT)
    ids = [f"001Dp00000Kty{number}IAJ" for number in range(6)]
    person, company, parts, nulled, deleted, gap = ids
    address = _place(City="Graz", Latitude=47.07, Longitude=15.44)
    whole = {"BillingAddress": address, "Phone": "123", "NumberOfEmployees": 12, "LastModifiedDate": 1_767_225_600_000}
    head = header("UPDATE", nulled, nulled=[bits(schema, "Phone", "BillingAddress"), "1-0x02"])
    events = {
        person: _event(schema, header("CREATE", person), Name=salesforce.person("Ada", "Byron"), **whole),
        company: _event(schema, header("CREATE", company), Name="Acme", AnnualRevenue=1.5e6, **whole),
        parts: _event(schema, header("UPDATE", parts, changed=["1-0x02"]), Name=salesforce.person("Augusta")),
        nulled: _event(schema, head, NumberOfEmployees=0),
        deleted: _event(schema, header("DELETE", deleted)),
        gap: _event(schema, header("GAP_UPDATE", gap)),
    }
    common = {"city": "Graz", "lat": "47.07", "phone": "123", "employees": "12", "modified": "2026-01-01"}
    return Standard(
        schema,
        {
            "shape": "salesforce",
            "id": "ChangeEventHeader.recordIds",
            "attributes": {
                "firstName": "Name.FirstName",
                "city": "BillingAddress.City",
                "lat": "BillingAddress.Latitude",
                "phone": "Phone",
                "employees": "NumberOfEmployees",
                "revenue": "AnnualRevenue",
                "modified": {"value": "strftime(from_epoch(LastModifiedDate, 'ms'), '%Y-%m-%d')"},
            },
            "on_delete": "send",
            "deleted": {"status": "gone"},
            "on_null": {"phone": "sentinel", "city": "sentinel", "firstName": "sentinel", "*": "leave"},
        },
        list(events.items()),
        {
            person: common | {"firstName": "Ada"},
            company: common | {"revenue": "1500000.0"},
            parts: {"firstName": "Augusta"},
            nulled: {"firstName": "NONE", "phone": "NONE", "city": "NONE", "employees": "0"},
            deleted: {"status": "gone"},
        },
        {"gap": 1},
    )


def _contact() -> Standard:
    schema = _change_event("Contact", CONTACT)
    first, second, nulled, deleted = (f"003Dp00000Abc{number}IAJ" for number in range(4))
    name = {"Salutation": None, "FirstName": "Ada", "LastName": "Byron"}
    created = _event(
        schema,
        header("CREATE", first),
        Name=name,
        MailingAddress=_place(City="São Paulo"),
        Email=" Ada@Example.com ",
        HasOptedOutOfEmail=False,
        Birthdate=-4_863_369_600_000,
    )
    email = hashlib.sha256(b"ada@example.com").hexdigest()
    return Standard(
        schema,
        {
            "shape": "salesforce",
            "id": "ChangeEventHeader.recordIds",
            "attributes": {
                "lastName": "Name.LastName",
                "city": "MailingAddress.City",
                "emailHash": {"value": "sha256(lower(trim(Email)))"},
                "optedOut": "HasOptedOutOfEmail",
                "born": {"value": "strftime(from_epoch(Birthdate, 'ms'), '%Y')"},
            },
            "on_null": "sentinel",
        },
        [
            (first, created),
            (second, _event(schema, header("UPDATE", second, changed=["0x0000"]), HasOptedOutOfEmail=True)),
            (nulled, _event(schema, header("UPDATE", nulled, nulled=[bits(schema, "Email")]))),
            (deleted, _event(schema, header("DELETE", deleted))),
        ],
        {
            first: {
                "lastName": "Byron", "city": "São Paulo", "emailHash": email, "optedOut": "false", "born": "1815",
            },
            second: {"optedOut": "true"},
            nulled: {"emailHash": "NONE"},
        },
        {},
    )  # fmt: skip


def _fields(names: str) -> list[dict[str, Any]]:
    """Fields as `name:type`, or `name?:type` where null is allowed."""
    pairs = [field.split(":") for field in names.split()]
    return [
        {"name": name[:-1], "type": ["null", kind], "default": None}
        if name.endswith("?")
        else {"name": name, "type": kind}
        for name, kind in pairs
    ]


def _debezium() -> Standard:
    topic = "fulfillment.crm.person"
    columns = _fields("id:long name?:string description?:string weight?:double")
    snapshot: dict[str, Any] = {
        "name": "snapshot",
        "type": [
            {
                "type": "string",
                "connect.version": 1,
                "connect.parameters": {"allowed": "true,last,false"},
                "connect.default": "false",
                "connect.name": "io.debezium.data.Enum",
            },
            "null",
        ],
        "default": "false",
    }
    position = "server_id:long gtid?:string file:string pos:long row:int thread?:long query?:string"
    source = {
        "type": "record",
        "name": "Source",
        "namespace": "io.debezium.connector.mysql",
        "fields": [
            *_fields("version:string connector:string name:string ts_ms:long"),
            snapshot,
            *_fields(f"db:string table?:string {position}"),
        ],
        "connect.name": "io.debezium.connector.mysql.Source",
    }
    transaction = {
        "type": "record",
        "name": "ConnectDefault",
        "namespace": "io.confluent.connect.avro",
        "fields": _fields("id:string total_order:long data_collection_order:long"),
    }
    value = {"type": "record", "name": "Value", "fields": columns, "connect.name": f"{topic}.Value"}
    schema = {
        "type": "record",
        "name": "Envelope",
        "namespace": topic,
        "fields": [
            {"name": "before", "type": ["null", value], "default": None},
            {"name": "after", "type": ["null", "Value"], "default": None},
            {"name": "source", "type": source},
            *_fields("op:string ts_ms?:long"),
            {"name": "transaction", "type": ["null", transaction], "default": None},
        ],
        "connect.name": f"{topic}.Envelope",
    }
    at = {
        "version": "1.4.2.Final", "connector": "mysql", "name": "fulfillment", "ts_ms": 1_767_225_600_000, "db": "crm",
        "snapshot": "false", "table": "person", "server_id": 1, "gtid": None, "file": "mysql-bin.000003", "pos": 154,
        "row": 0, "thread": None, "query": None,
    }  # fmt: skip

    def change(op: str, before: Any, after: Any) -> dict[str, Any]:
        return {
            "before": before,
            "after": after,
            "source": at,
            "op": op,
            "ts_ms": 1_767_225_600_001,
            "transaction": None,
        }

    def person(number: int, name: str | None, weight: float | None) -> dict[str, Any]:
        return {"id": number, "name": name, "description": "of the warehouse", "weight": weight}

    return Standard(
        schema,
        {
            "shape": "debezium",
            "id": "id",
            "attributes": {"fullName": {"value": "upper(name)"}, "weight": "weight"},
            "on_delete": "send",
            "deleted": {"status": "gone"},
            "on_null": "sentinel",
        },
        [
            ("101", change("c", None, person(101, "Ada", 3.14))),
            ("102", change("r", None, person(102, "Grace", 5.18))),
            ("103", change("u", person(103, "Mary", 1.0), person(103, "Mary", None))),
            ("104", change("d", person(104, "Hedy", 8.1), None)),
            ("104", None),
            ("105", change("x", None, person(105, "Joan", 8.1))),
        ],
        {
            "101": {"fullName": "ADA", "weight": "3.14"},
            "102": {"fullName": "GRACE", "weight": "5.18"},
            "103": {"fullName": "MARY", "weight": "NONE"},
            "104": {"status": "gone"},
        },
        {"shape": 1},
    )


STANDARDS = {"debezium-mysql": _debezium(), "salesforce-account": _account(), "salesforce-contact": _contact()}
