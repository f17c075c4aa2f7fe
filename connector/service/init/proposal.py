"""Settings proposed for a topic: which field is the id, which are attributes under which names, and why the others not.

Pure: from the types of a schema's fields to the text of a settings file, with a comment wherever a human has to decide.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import polars as pl
import yaml

from connector.profiles.expressions.kinds import kind_of
from connector.profiles.mapping import check_name, is_id
from connector.profiles.text import branches, unsupported
from connector.service.init.records import OF_FOLDER, framing_lines

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from connector.avro.shapes.detection import Seen
    from connector.service.init.records import Looked

# Names that most often hold the id of a profile, most telling first; `_` and case do not matter.
_ID_NAMES: Final = (
    "mbox3rdpartyid",
    "thirdpartyid",
    "customerid",
    "profileid",
    "memberid",
    "userid",
    "accountid",
    "id",
)
_SHAPES: Final = {
    "flat": "the fields of the profile themselves",
    "debezium": "Debezium's envelope; paths lead into the table's row",
    "debezium-unwrapped": "rows that Debezium's ExtractNewRecordState has unwrapped",
    "salesforce": "Salesforce's change events, of which each holds what changed",
    "salesforce-connect": "Salesforce's change events by Confluent's source",
}
MAX_WIDTH: Final = 10_000  # a value stays on its line
_WORDS: Final = (  # where more is to be said than the words of expressions do
    (pl.Decimal, "a decimal"),
    (pl.List, "a list or map: JSON, whose commas unsafe_text judges; docs/types.md"),
    (pl.Struct, "one of several types"),
    (pl.Categorical, "an enum"),
    (pl.Enum, "an enum"),
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where the topic and its schema are, as the settings will say.

    Attributes:
        topic: its name.
        bootstrap_servers: of Kafka.
        registry: its address.
        client: Target's client code.
        schema_file: the schema of bare datums, where no registry has it.
        properties: of librdkafka.
        secrets: files of those that are secret.
    """

    topic: str
    bootstrap_servers: str
    registry: str
    client: str
    schema_file: str | None = None
    properties: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Proposal:
    """What was made of a schema.

    Attributes:
        id: path of the field that seems to hold the id; None where none could.
        other_ids: paths that could as well, best first.
        attributes: Target's name and path of each field that can be sent.
        left_out: path and reason of each that can't.
    """

    id: str | None
    other_ids: Sequence[str]
    attributes: Mapping[str, str]
    left_out: Mapping[str, str]


def propose(dtypes: Mapping[str, pl.DataType], own_id: str | None = None) -> Proposal:
    """Look at every field of a row.

    Args:
        dtypes: type by path, records flattened.
        own_id: path of the id that the shape has of its own.
    """
    ids = sorted((path for path in dtypes if is_id(dtypes[path]) and _rank(path) is not None), key=_order)
    if own_id is not None:
        ids = [own_id, *(path for path in ids if path != own_id)]
    chosen = ids[0] if ids else None
    attributes: dict[str, str] = {}
    left_out: dict[str, str] = {}
    last = Counter(path.rpartition(".")[2] for path in dtypes)
    for path, dtype in dtypes.items():
        if path == chosen:
            continue
        short = path.rpartition(".")[2]
        name = short if last[short] == 1 and check_name(short) is None else path.replace(".", "_")
        if problem := unsupported(dtype) or check_name(name):
            left_out[path] = problem
        else:
            attributes[name] = path
    return Proposal(chosen, ids[1:], attributes, left_out)


def render(place: Place, seen: Seen, proposal: Proposal, looked: Looked | None = None) -> str:
    """The settings file's text; `looked` is what the newest records told, if somebody looked at them."""
    dtypes = seen.row
    lines = [
        f"# Made by `target-connector init {place.topic}` from its newest schema. Read the comments, then see whether",
        "# it could work: `target-connector check --config FILE`. docs/configuration.md has every key.",
        "kafka:",
        f"  bootstrap_servers: {_text(place.bootstrap_servers)}",
        "  group_id: target-profiles  # all replicas share it, and nobody else may use it",
        *_pairs("properties", place.properties),
        *_pairs("secrets", place.secrets),
        *_where_schemas_are(place, looked),
        *_shape_lines(seen),
        *_id_lines(dtypes, proposal, looked),
        *_attribute_lines(dtypes, proposal),
        "target:",
        f"  client: {_text(place.client)}  # the first part of CLIENT.tt.omtrdc.net",
        "  # token_file: /run/secrets/target-token  # if the account demands a token",
    ]
    return "\n".join(lines) + "\n"


def _pairs(key: str, held: Mapping[str, str]) -> list[str]:
    return [f"  {key}:", *(f"    {_text(name)}: {_text(value)}" for name, value in held.items())] if held else []


def _where_schemas_are(place: Place, looked: Looked | None) -> list[str]:
    registry = ["registry:", f"  url: {_text(place.registry)}"]
    source = ["sources:", f"  - topics: [{_text(place.topic)}]"]
    framing = None if looked is None else looked.framing
    file = [] if place.schema_file is None else [f"    schema_file: {_text(place.schema_file)}"]
    if file and framing is None:
        like = "" if looked is None or looked.like is None else f"  # but the newest records look like {looked.like}"
        return [*source, f"    framing: plain{like}", *file]
    lines = [f"    {line}" for line in framing_lines(looked)]
    if framing in OF_FOLDER:
        return [
            *source,
            *lines,
            "    schema_dir: CHOOSE  # the folder of the writers' schemas; docs/framings.md",
            *file,
        ]
    return [*registry, *source, *lines]


def _shape_lines(seen: Seen) -> list[str]:
    lines = [f"    shape: {seen.shape}  # {_SHAPES[seen.shape]}; docs/shapes.md"]
    if seen.flag is not None:
        flag = f"{{field: {_text(seen.flag)}, value: true}}"
        lines.append(f"    # delete_flag: {flag}  # with shape: jdbc, if it marks deleted rows")
    if not seen.shape.startswith("salesforce"):
        lines.append("    events: full  # each record is the whole profile; or partial: only what changed")
    if seen.shape != "flat":
        lines.append("    on_delete: skip  # Target cannot delete a profile; or dead_letter, or send with deleted")
    return lines


def _id_lines(dtypes: Mapping[str, pl.DataType], proposal: Proposal, looked: Looked | None) -> list[str]:
    key = None if looked is None else looked.key_id
    framing = "" if looked is None else f"key_framing: {looked.keys}"
    if proposal.id is None and key is not None:
        return [
            f"    {framing}  # no field looks like the id, and every key of the newest records may be one",
            f"    id: {_text(key)}  # it must equal the site's mbox3rdPartyId",
        ]
    if proposal.id is None:
        return [
            "    id: CHOOSE                       # no field looks like the id: it must equal the site's mbox3rdPartyId"
        ]
    lines = [f"    id: {_text(proposal.id)}  # {words(dtypes[proposal.id])}; it must equal the site's mbox3rdPartyId"]
    lines += [f"    # id: {_text(path)}  # or this one" for path in proposal.other_ids]
    return lines if key is None else [*lines, f"    # id: {_text(key)}  # or the key, with {framing}"]


def _attribute_lines(dtypes: Mapping[str, pl.DataType], proposal: Proposal) -> list[str]:
    lines = ["    attributes:  # Target's name: path. Leave out what no activity uses"]
    if not proposal.attributes:
        lines[0] = "    attributes: {}  # no field has a text form"
    lines += [
        f"      {_text(name)}: {_text(path)}  # {words(dtypes[path])}" for name, path in proposal.attributes.items()
    ]
    return lines + [f"      # {path}: {problem}" for path, problem in proposal.left_out.items()]


def words(dtype: pl.DataType) -> str:
    """A type in words."""
    if dtype.is_integer():
        return "a whole number"
    if isinstance(dtype, pl.Struct) and any(isinstance(held, pl.Struct) for held in branches(dtype)):
        return "one of several types; a record as JSON, whose commas unsafe_text judges: rather name its fields"
    return next((said for kind, said in _WORDS if isinstance(dtype, kind)), str(kind_of(dtype)))


def _rank(path: str) -> int | None:
    """How likely a field of this name holds the id; None: it does not look like one."""
    name = re.sub(r"[^a-z0-9]", "", path.rpartition(".")[2].lower())
    return next((rank for rank, known in enumerate(_ID_NAMES) if name.endswith(known)), None)


def _order(path: str) -> tuple[int, int, int]:
    name = re.sub(r"[^a-z0-9]", "", path.rpartition(".")[2].lower())
    return path.count("."), _rank(path) or 0, len(name)


def _text(value: str) -> str:
    """As YAML writes it, quoted only where it must be."""
    return yaml.safe_dump(value, allow_unicode=True, width=MAX_WIDTH).removesuffix("...\n").removesuffix("\n")
