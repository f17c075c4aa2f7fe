"""Expressions of the settings (`where`, `value`): a text, its tree, a column. Pure, no I/O, no Python of the user's.

In reading order: `expression` is all that others call; `tokens`, `parsing` and `tree` make a tree of a text;
`building` makes a column of a tree and the types of a schema, with `kinds`, `operators`, `casts`, `functions` and
`signatures`.
"""
