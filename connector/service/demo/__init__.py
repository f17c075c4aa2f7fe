"""The demo: the whole road in one process, with a verdict; and its parts as commands of their own.

In reading order:

- `demo`: the play; stage, feed, outage, verdict
- `stage`: the embedded broker, the simulated Target, the registry and the service itself, put together
- `customers`, `feed`: an invented CRM and the records it writes, good and bad
- `truth`, `evidence`, `verdict`: what must be in Target, what is there, and whether they are the same
- `progress`, `screen`, `panel`: what is going on, and how it is shown
- `real_feed`: the same feed for a real Kafka (`demo-feed`)
- `simulated_target`: Target alone (`simulate-target`)
"""
