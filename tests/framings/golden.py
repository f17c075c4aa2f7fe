"""Writes values and headers as Confluent's own Python serializer makes them: one JSON object a line.

See README.md for how it is run. The registry is one in the process, which gives ids and GUIDs.
"""

from __future__ import annotations

import json
from typing import Any

from confluent_kafka.schema_registry import SchemaRegistryClient, header_schema_id_serializer
from confluent_kafka.schema_registry.avro import AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

SCHEMA = {
    "type": "record",
    "name": "Customer",
    "namespace": "golden",
    "fields": [{"name": "customer_id", "type": "string"}, {"name": "tier", "type": ["null", "string"]}],
}
CUSTOMERS = [("c-1", "gold"), ("c-2", None), ("c-3", "silver " * 40)]


def main() -> None:
    """Print all of them."""
    client = SchemaRegistryClient.new_client({"url": "mock://golden"})
    for framing, conf in (
        ("confluent", {}),
        ("confluent-header", {"schema.id.serializer": header_schema_id_serializer}),
    ):
        serializer = AvroSerializer(client, json.dumps(SCHEMA), conf={"subject.name.strategy.type": "TOPIC"} | conf)
        for customer_id, tier in CUSTOMERS:
            headers: list[Any] = []
            context = SerializationContext("golden", MessageField.VALUE, headers)
            value = serializer({"customer_id": customer_id, "tier": tier}, context) or b""
            named = {name: header.hex() for name, header in headers}
            tool = "confluent-kafka (Python)"
            print(json.dumps({"framing": framing, "tool": tool, "value": value.hex(), "headers": named}))  # noqa: T201 (its output is the file)


if __name__ == "__main__":
    main()
