"""The pages that are made of the code: settings, their JSON Schema, metrics and log events.

Promises that what is printed is what the models and tables say; a test holds the files to it. Pure but for `main`:
`python -m connector.service.reference` writes the files into the repository.
"""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from connector.service import environment, librdkafka
from connector.service.environment import models_in
from connector.service.events import EVENTS
from connector.service.figures import METRICS
from connector.service.reasons import REASONS
from connector.service.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from pydantic import BaseModel

SCHEMA_ADDRESS: Final = "https://json-schema.org/draft/2020-12/schema"
_MADE: Final = "<!-- Made by `python -m connector.service.reference`; change the code instead. -->"
_SETTINGS_INTRODUCTION: Final = """\
# Configuration

One YAML file, named by `--config` or by `CONNECTOR_CONFIG`. Every setting can also come from the environment, which
goes over the file: `kafka.group_id` is `CONNECTOR_KAFKA__GROUP_ID`; lists and maps (`CONNECTOR_SOURCES`) are written
as JSON and replace the file's whole. Keys and variables that are not known are refused, with the nearest known name.
Paths of files are relative to the working directory. Whatever is wrong is told at start, each problem on one line with
place, key and remedy, and the exit code is 2.

Sizes and durations have a unit: `45MB` (B, kB, MB, GB are powers of 1000, KiB, MiB, GiB of 1024), `10s` (ms, s, m, h).
Secrets are files, never values, and are read without the white space around them. Editors check the file against
`schemas/settings.schema.json`.

In Kubernetes, a Service with the name `connector` makes variables such as `CONNECTOR_SERVICE_HOST`, which are then
refused as unknown: give it another name, or set `enableServiceLinks: false` in the pod.

## A complete example
"""
_TELEMETRY_INTRODUCTION: Final = """\
# Telemetry

No figure, log line or page ever holds an attribute value, a profile's id or a secret.

`/` is a page for people (docs/operations.md). The rest is for machines: `/livez` says 200 while the event loop and the
consumer's thread live; otherwise a restart helps. `/readyz` says 200 once Kafka has answered with an
assignment (which may be empty) and while no part is in trouble; its JSON names each
trouble with its remedy. `/metrics` is in Prometheus' text format.

## Metrics

Beside these, prometheus-client's own `process_*` figures: memory, CPU time, open files.
"""
_EVENTS_INTRODUCTION: Final = """
## Log events

One line per event on standard output, JSON by default (`service.log_format`). Each has `event`, `level` and
`timestamp` (ISO 8601, UTC). Control characters are escaped.
"""
_REASONS_INTRODUCTION: Final = """\
# Reasons of dead letters

The closed list of what `target-connector.reason` can be in a dead letter's headers, and what to do about each.
[`dead-letters.md`](dead-letters.md) tells how letters are listed and replayed.
"""


def example() -> str:
    """Returns the annotated example of a settings file."""
    return files("connector.service").joinpath("example.yaml").read_text("utf-8")


def json_schema() -> str:
    """Returns the JSON Schema of a settings file, with sizes and durations as they are written."""
    schema = Settings.model_json_schema()
    for model in (schema, *schema["$defs"].values()):
        for field in model.get("properties", {}).values():
            if isinstance(field.get("default"), dict):
                del field["default"]  # a section's default is that of its keys
    titled = {"$schema": SCHEMA_ADDRESS, **schema, "title": "Settings of Target Connector"}
    return json.dumps(titled, indent=2, ensure_ascii=False) + "\n"


def configuration_markdown() -> str:
    """Returns `docs/configuration.md`."""
    schema = Settings.model_json_schema()
    parts = [_MADE, "", _SETTINGS_INTRODUCTION, "```yaml", example().rstrip(), "```"]
    for place, model in _sections(Settings, ()):
        rows = [_setting(place, name, model, schema) for name in model.model_fields if _is_value(model, name)]
        heading = f"## {'.'.join(place)}{'[]' if place == ('sources',) else ''}"
        parts += ["", heading, "", (model.__doc__ or "").strip(), ""]
        parts += _table(("key", "value", "default", "variable", "meaning"), rows)
    parts += ["", "## Properties of librdkafka that are refused", "", "Every other passes as it is.", ""]
    parts += _table(("property", "why"), ((f"`{name}`", why) for name, why in librdkafka.refusals()))
    return "\n".join(parts) + "\n"


def telemetry_markdown() -> str:
    """Returns `docs/telemetry.md`."""
    figures = (
        (f"`{one.name}`", one.kind, ", ".join(f"`{name}`" for name in one.labels), one.meaning, one.action)
        for one in METRICS
    )
    lines = (
        (f"`{one.name}`", one.level, ", ".join(f"`{name}`" for name in one.fields), one.meaning, one.action)
        for one in EVENTS
    )
    parts = [_MADE, "", _TELEMETRY_INTRODUCTION]
    parts += _table(("name", "kind", "labels", "meaning", "what to do"), figures)
    parts += [_EVENTS_INTRODUCTION]
    parts += _table(("event", "level", "fields", "meaning", "what to do"), lines)
    return "\n".join(parts) + "\n"


def reasons_markdown() -> str:
    """Returns `docs/dead-letter-reasons.md`."""
    rows = ((f"`{reason}`", *meaning) for reason, meaning in REASONS.items())
    return "\n".join([_MADE, "", _REASONS_INTRODUCTION, *_table(("reason", "meaning", "what to do"), rows)]) + "\n"


def pages() -> dict[str, str]:
    """Returns all files that are made here, by their path in the repository."""
    return {
        "docs/configuration.md": configuration_markdown(),
        "docs/telemetry.md": telemetry_markdown(),
        "docs/dead-letter-reasons.md": reasons_markdown(),
        "schemas/settings.schema.json": json_schema(),
    }


def main(repository: Path) -> None:
    """Writes all pages."""
    for name, text in pages().items():
        path = repository / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")


def _sections(model: type[BaseModel], place: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], type[BaseModel]]]:
    for name, field in model.model_fields.items():
        for section in models_in(field.annotation):
            yield (*place, name), section
            yield from _sections(section, (*place, name))


def _is_value(model: type[BaseModel], name: str) -> bool:
    return not models_in(model.model_fields[name].annotation)


def _setting(place: tuple[str, ...], name: str, model: type[BaseModel], schema: Mapping[str, Any]) -> Sequence[str]:
    """Returns one row of a section's table."""
    shown = schema["$defs"][model.__name__]["properties"][name]
    field = model.model_fields[name]
    if field.is_required():
        default = "required"
    elif shown.get("default") in (None, {}):
        default = ""
    else:
        default = f"`{shown['default']}`".lower() if shown.get("type") == "boolean" else f"`{shown['default']}`"
    variables = {key.path: key.variable for key in environment.all_keys()}
    variable = variables.get((*place, name))
    return (f"`{name}`", _value(shown), default, f"`{variable}`" if variable else "", str(field.description))


def _value(shown: Mapping[str, Any]) -> str:
    """Returns what a setting's value looks like, in words, from its JSON Schema."""
    if "anyOf" in shown:
        return " or ".join(_value(one) for one in shown["anyOf"] if one.get("type") != "null")
    if "const" in shown or "enum" in shown:
        return ", ".join(f"`{one}`" for one in shown.get("enum", [shown.get("const")]))
    if "examples" in shown:
        return f"such as `{shown['examples'][0]}`"
    if shown["type"] in {"integer", "number"}:
        return _range(shown)
    if shown.get("format") == "path":
        return "file"
    return {"array": "list", "boolean": "`true`, `false`", "object": "map", "string": "text"}[shown["type"]]


def _range(shown: Mapping[str, Any]) -> str:
    lowest = shown.get("minimum", shown.get("exclusiveMinimum"))
    above = "over " if "exclusiveMinimum" in shown else ""
    return f"{above}{lowest} to {shown['maximum']}" if "maximum" in shown else f"{above}{lowest} or more"


def _table(heading: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = [heading, ["---"] * len(heading), *rows]
    return ["| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines]


if __name__ == "__main__":
    main(Path(__file__).parents[2])
