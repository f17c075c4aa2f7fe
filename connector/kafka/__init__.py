"""The Kafka side: the consumer on its own thread, the ledger of offsets, dead letters, an embedded broker."""
