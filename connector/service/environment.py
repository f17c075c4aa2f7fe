"""The variables of the environment that are settings: `CONNECTOR_KAFKA__GROUP_ID` is `kafka.group_id`.

Promises that every setting has exactly one variable, and that a variable with our prefix which is no setting is told
with the nearest name that is. Given the environment as a mapping; called by `loading` and the reference.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, get_args, get_origin

from pydantic import BaseModel

from connector.service.nearest import nearest
from connector.service.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from connector.service.settings_file import Place

PREFIX: Final = "CONNECTOR_"
FILE_VARIABLE: Final = "CONNECTOR_CONFIG"

# Kubernetes sets these in every pod of a namespace that has a Service called `connector`.
_SERVICE_LINKS: Final = ("CONNECTOR_SERVICE_", "CONNECTOR_PORT")


@dataclass(frozen=True, slots=True)
class Key:
    """One setting.

    Attributes:
        path: where it is in the settings.
        is_json: whether its variable holds JSON: a list or a map.
    """

    path: tuple[str, ...]
    is_json: bool

    @property
    def variable(self) -> str:
        """Its name in the environment."""
        return PREFIX + "__".join(self.path).upper()

    @property
    def dotted(self) -> str:
        """Its name in texts."""
        return ".".join(self.path)


def models_in(annotation: Any) -> list[type[BaseModel]]:
    """Returns the models in a field's annotation: of a section, be it optional or not, or of a list's items."""
    return [one for one in (annotation, *get_args(annotation)) if isinstance(one, type) and issubclass(one, BaseModel)]


def section_of(annotation: Any) -> type[BaseModel] | None:
    """Returns the model that a field holds, be it optional or not; None for a value or a list."""
    models = [] if get_origin(annotation) is tuple else models_in(annotation)
    return models[0] if models else None


def all_keys(model: type[BaseModel] = Settings, place: tuple[str, ...] = ()) -> Iterator[Key]:
    """Lists all settings of a model, in its order; a source's own keys are inside of the JSON of `sources`."""
    for name, field in model.model_fields.items():
        section = section_of(field.annotation)
        if section is not None:
            yield from all_keys(section, (*place, name))
        else:
            yield Key((*place, name), is_json=get_origin(field.annotation) in {tuple, Mapping})


@dataclass(frozen=True, slots=True)
class Given:
    """What the environment says.

    Attributes:
        values: by place.
        variables: the name that each came by.
        problems: one line each.
    """

    values: Mapping[Place, Any]
    variables: Mapping[Place, str]
    problems: tuple[str, ...]


def read(environ: Mapping[str, str]) -> Given:
    """Returns the settings among the variables; no problem's text holds a value."""
    known = {key.variable: key for key in all_keys()}
    values: dict[Place, Any] = {}
    problems: list[str] = []
    for name in sorted(name for name in environ if name.startswith(PREFIX) and name != FILE_VARIABLE):
        key = known.get(name)
        if key is None:
            problems.append(f"{name}: {_unknown(name, [*known, FILE_VARIABLE])}")
        elif not key.is_json:
            values[key.path] = environ[name]
        else:
            try:
                values[key.path] = json.loads(environ[name])
            except (ValueError, RecursionError):
                problems.append(f'{name}: {key.dotted}: is not JSON; write ["a"] for a list, {{"a": "b"}} for a map')
    variables: dict[Place, str] = {key.path: name for name, key in known.items() if key.path in values}
    return Given(values, variables, tuple(problems))


def _unknown(name: str, known: list[str]) -> str:
    text = f"unknown variable; {nearest(name, known)}"
    if name.startswith(_SERVICE_LINKS):
        text += " (in Kubernetes, a Service called connector sets it: enableServiceLinks: false in the pod)"
    return text
