"""From Avro bytes to columns: framing, registry, writer schemas, decoding."""
