"""What pydantic found wrong with the settings, as lines for the user.

Promises one line per problem: where it came from, the key, what is wrong and the remedy; never a dump, and no value
other than the names and numbers that the checks of `fields` put into their texts. Pure; called by `loading`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from connector.service.environment import PREFIX, models_in
from connector.service.nearest import nearest
from connector.service.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pydantic import ValidationError
    from pydantic_core import ErrorDetails

    from connector.service.settings_file import Place


@dataclass(frozen=True, slots=True)
class Origin:
    """Where each setting came from.

    Attributes:
        file: the settings file's name, or `settings` where there is none.
        lines: the line of each key in it.
        variables: the variable of each key that the environment gives.
    """

    file: str
    lines: Mapping[Place, int]
    variables: Mapping[Place, str]

    def of(self, place: Place) -> str:
        """Returns the variable, or the file and its line, that a setting, or what it should be in, came by."""
        above = [place[:length] for length in range(len(place), 0, -1)]
        for one in above:
            if one in self.variables:
                return self.variables[one]
        return next((f"{self.file}:{self.lines[one]}" for one in above if one in self.lines), self.file)


def dotted(place: Place) -> str:
    """Returns a setting's name for people: `sources[0].topics`."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in place)
    return text.removeprefix(".")


def lines_of(error: ValidationError, origin: Origin) -> Iterator[str]:
    """Returns all that pydantic found, in our words; one of our own checks may tell of several problems."""
    details = error.errors(include_url=False)
    for detail in details:
        if _follows_from_others(detail, details):
            continue
        place = tuple(step for step in detail["loc"] if step != "[key]")
        for line in _words(detail, place).split("\n"):
            yield ": ".join(part for part in (origin.of(place), dotted(place), line) if part)


def _follows_from_others(detail: ErrorDetails, details: Sequence[ErrorDetails]) -> bool:
    """Returns whether a problem is told already by what caused it."""
    if detail["type"] == "default_factory_not_called":
        return True  # the setting that this default is made of is wrong
    place = detail["loc"]  # a list counts as too short without its wrong items
    inside = (other for other in details if len(other["loc"]) > len(place) and other["loc"][: len(place)] == place)
    return detail["type"] == "too_short" and any(inside)


def _words(detail: ErrorDetails, place: Place) -> str:
    context = {
        name: f"{bound:g}" if isinstance(bound, float) else bound for name, bound in detail.get("ctx", {}).items()
    }
    kind = detail["type"]
    if kind == "value_error":
        return str(context["error"])
    if kind == "extra_forbidden":
        return f"unknown key; {nearest(str(place[-1]), _siblings(place))}"
    if kind == "missing":
        in_list = any(isinstance(step, int) for step in place)
        variable = "" if in_list else f", or set {PREFIX}{'__'.join(map(str, place)).upper()}"
        return f"missing; give it a value{variable}"
    if kind == "literal_error":
        return f"must be {context['expected']}"
    return _WORDS.get(kind, "is not what is expected here; docs/configuration.md says what is").format(**context)


_WORDS: Final = {
    "string_type": "must be text; put it in quotes",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be {ge} or more",
    "less_than_equal": "must be {le} or less",
    "too_short": "must not be empty",
    "tuple_type": "must be a list",
    "model_type": "must be a map of settings",
    "mapping_type": "must be a map of names to values",
    "path_type": "must be the path of a file",
}


def _siblings(place: Place) -> list[str]:
    """Returns the keys that are known where an unknown one was found."""
    model: Any = Settings
    for step in place[:-1]:
        if isinstance(step, str):
            model = models_in(model.model_fields[step].annotation)[0]
    return list(model.model_fields)
