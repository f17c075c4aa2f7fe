"""The commands `dead-letters list | show | replay`: what could not be delivered, why, and once more.

In reading order: `commands` (options), `filters` (which letters), `shown` (how they look), `values` (their content),
`judging` (which may be replayed), `replaying` (through their topic), `straight` (to Target). Nothing here prints a
value, a key or an id unless asked to with `--values`.
"""
