"""Target Connector: keeps visitor profiles in Adobe Target equal to what Kafka says.

In reading order:

- `__main__`: where the command begins
- `pipeline`: the story; fetch, decode, map, window, deliver, commit
- `flight`: the batch in flight, and how it is cut short without cutting a call
- `feeds`, `dead_letter_office`: from records to rows; where the rest goes
- `settling`: when the offsets of an accepted batch may pass
- `records`, `errors`, `telemetry`: what travels, what can go wrong, what is told
- `kafka/`: the consumer on its own thread, the ledger of offsets, dead letters, an embedded broker
- `avro/`: framing, registry, writer schemas, datums to columns; `avro/shapes/`: the row inside a tool's envelope
- `profiles/`: a change to a row, rows to a window; no I/O; `profiles/expressions/`: what `where` and `value` say
- `target/`: the batch body, Target's answer, the call budget, delivery, following
- `service/`: settings, command line, health, metrics, logs; puts the parts together
- `simulator/`: a faithful Target for demos and tests
"""
