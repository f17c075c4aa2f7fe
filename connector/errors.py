"""Every error of our own, sorted by what the caller must do.

    ConnectorError
    ├── SettingError      a setting or a file is wrong: one line for the user, exit code 2
    ├── BlockedError      going on would break a promise: stop sending, stay alive, not ready, wait for a human
    │   └── BrakeError    the brake's: the only one that lets records become dead letters once a human says so
    ├── StartOverError    what is open is no longer of use: begin again from the committed offsets, in this process
    └── FatalError        the process cannot go on (a fenced member, say): exit code 1

What can be retried is retried where it happens and never leaves its room as an error. No text holds an attribute
value, an id of a profile or a secret.
"""


class ConnectorError(Exception):
    """The root of the tree; its text is one line for the user."""


class SettingError(ConnectorError):
    """A setting or a file is wrong: names the place and the remedy."""


class BlockedError(ConnectorError):
    """Going on would lose or misplace data: says why, where, and what to do."""


class BrakeError(BlockedError):
    """Records would become dead letters that may not be to blame; which ones, and why."""


class StartOverError(ConnectorError):
    """What is open must be given up and read again from the committed offsets; says why."""


class FatalError(ConnectorError):
    """The process cannot go on and should be started again."""


def blocked(why: ConnectorError) -> str:
    """A line for the operator: why it is blocked, and the three ways on."""
    return f"blocked: {why}; goes on after `target-connector unblock`, a changed settings file or a restart"
