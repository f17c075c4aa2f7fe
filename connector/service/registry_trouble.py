"""Why the registry does not answer, for commands that have to end: the service itself asks for ever."""

from __future__ import annotations

from typing import Final

from connector.telemetry import Part, Silent

ANSWER_WITHIN_S: Final = 15.0
_WAITS: Final = "; waiting for it"  # which the service does


class RegistryTrouble(Silent):
    """Hears what the registry's client tells.

    Attributes:
        why: the last trouble.
    """

    why = "the schema registry gives no answer"

    def trouble(self, part: Part, text: str | None) -> None:
        """See Telemetry."""
        if part is Part.REGISTRY and text is not None:
            self.why = text.removesuffix(_WAITS)
