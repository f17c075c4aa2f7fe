"""Makes the page of what `overview` tells.

Promises that whatever a text holds stays text (autoescape; the page's own policy lets nothing run or load), and that
nothing is shown which `Overview.told` does not hold. Pure; `health` serves it.
"""

from __future__ import annotations

import base64
import hashlib
from datetime import datetime
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined

if TYPE_CHECKING:
    from collections.abc import Mapping

REFRESH_S: Final = 5
SHOWN: Final = 20  # batches
_STYLE: Final = files("connector.service.page").joinpath("page.css").read_text("utf-8")
_STYLE_HASH: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
HEADERS: Final[Mapping[str, str]] = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none';"
    " form-action 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_HEADLINES: Final = {
    "starting": "Waiting for Kafka's assignment",
    "ready": "Carrying changes",
    "waiting": "Something is away or in trouble; goes on by itself",
    "blocked": "Stopped so that nothing is lost; waits for you",
}
_PARTS: Final = {
    "kafka": "Kafka",
    "consumer": "Consumer group",
    "registry": "Schema registry",
    "target": "Adobe Target",
    "dead_letters": "Dead letters",
    "pipeline": "Why, and what to do",
}
_THOUSAND: Final = 1000.0
_MINUTE_S: Final = 60
_HOUR_S: Final = 3600
_DAY_S: Final = 86_400


def page(told: Mapping[str, Any]) -> str:
    """Returns the document."""
    now, since = datetime.fromisoformat(told["now"]), datetime.fromisoformat(told["since"])
    return _TEMPLATE.render(
        {**told, "batches": told["batches"][:SHOWN]},
        style=_STYLE,
        refresh_s=REFRESH_S,
        headline=_HEADLINES[told["state"]],
        parts=_PARTS,
        up_s=max((now - since).total_seconds(), 1.0),
        ago=lambda at: span((now - datetime.fromisoformat(at)).total_seconds()),
    )


def whole(number: float) -> str:
    """A whole number with thin spaces between the thousands."""
    return f"{round(number):,}".replace(",", "\u202f")


def size(number: float) -> str:
    """Bytes in the largest unit that leaves a whole part."""
    units = ("B", "kB", "MB", "GB", "TB")
    step = 0
    while number >= _THOUSAND and step < len(units) - 1:
        number, step = number / _THOUSAND, step + 1
    return f"{number:.0f} {units[step]}" if step == 0 else f"{number:.1f} {units[step]}"


def span(seconds: float) -> str:
    """A length of time in its two largest units, or in seconds."""
    left = max(0, round(seconds))
    for unit_s, name, next_s, next_name in ((_DAY_S, "d", _HOUR_S, "h"), (_HOUR_S, "h", _MINUTE_S, "min")):
        if left >= unit_s:
            return f"{left // unit_s} {name} {left % unit_s // next_s} {next_name}"
    return f"{left // _MINUTE_S} min {left % _MINUTE_S} s" if left >= _MINUTE_S else f"{left} s"


def clock(at: str) -> str:
    """The time of day, in UTC."""
    return datetime.fromisoformat(at).strftime("%H:%M:%S")


def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader("connector.service", "page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {"whole": whole, "size": size, "span": span, "clock": clock}
    return made


_TEMPLATE: Final = _environment().get_template("page.html")
