"""A faithful Adobe Target for demos and tests, with fault switches and a parser of its own.

It imports nothing of `connector.target`, so that a mistake of the encoder cannot cancel out here. In reading order:

- `app`: `Simulator`, which demo and tests start and question
- `adobe_api`: the addresses that Adobe documents; `admin_api`: those that only this simulator has
- `account`: the simulated account: what is accepted, ingested, counted
- `body`: a batch body to rows, or the reason why it is refused
- `profiles`: the stored profiles, under both readings of consecutive batches
- `statuses`, `limits`, `faults`: what is told of a batch, the call limit, what goes wrong on purpose
- `answers`: the texts that are sent
"""
