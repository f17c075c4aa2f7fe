"""The kinds of values that settings have, each with what may be wrong with it.

Promises that every refusal says what to write instead, and that none repeats a value which might hold a secret.
Pydantic runs these functions while it builds the models of `settings`; they touch no file and no network.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, PlainSerializer, WithJsonSchema

from connector.profiles.expressions.expression import Expression
from connector.profiles.expressions.tree import ExpressionError
from connector.profiles.limits import MAX_VALUE_CHARS
from connector.profiles.mapping import check_name
from connector.service import librdkafka, topics, units
from connector.service.one_line import one_line
from connector.target.addresses import keeps_secrets

MAX_BATCH_BYTES: Final = 50_000_000  # a batch must be under 50 MB (AdobeDocs profile-bulk-api.md)
MIN_BATCH_BYTES: Final = 1_000  # less holds no row of any use
MAX_DURATION_S: Final = 24 * 3600.0  # longer is a slip of the unit

VALUE: Final = "value"  # the key of an expression in place of a path

_NO_ADDRESS: Final = "is not an address; write https://host, with :port if it has one"


def refuse(problems: Iterable[str | None]) -> None:
    """Raises all problems at once, one line each.

    Raises:
        ValueError: there is any.
    """
    lines = [problem for problem in problems if problem]
    if lines:
        raise ValueError("\n".join(lines))


def _one_line(value: str) -> str:
    refuse([None if value.strip() else "must not be empty"])
    refuse([None if value.isprintable() else "must be one line without control characters"])
    return value


def _path_problem(path: object) -> str | None:
    if isinstance(path, str) and path.isprintable() and all(step.strip() for step in path.split(".")):
        return None
    return "is not a path; name a field, or one inside a record with dots: address.city"


def _path(value: str) -> str:
    refuse([_path_problem(value)])
    return value


def _expression_problem(value: object) -> str | None:
    if not isinstance(value, str):
        return "must be an expression in text; put it in quotes"
    try:
        Expression.parse(value)
    except ExpressionError as error:
        return str(error)
    return None


def _source_problem(value: object) -> str | None:
    """What is wrong with the source of an attribute, or of the id: a path, or `{value: …}`."""
    if not isinstance(value, Mapping):
        return _path_problem(value)
    if set(value) != {VALUE}:
        return "must be a path, or {value: …} with an expression and nothing else"
    return _expression_problem(value[VALUE])


def _expression(value: str) -> str:
    refuse([_expression_problem(value)])
    return value


def _id(value: object) -> object:
    """Checked as a whole, as attributes are."""
    refuse([_source_problem(value)])
    if isinstance(value, Mapping) and not Expression.parse(value[VALUE]).paths:
        raise ValueError("names no field, so all profiles would be one; name the field that tells them apart")
    return value


def _no_truth_value(value: object) -> object:
    """Python takes `true` for 1; nobody who writes it means that."""
    refuse(["must be a number"] if isinstance(value, bool) else [])
    return value


def _client(value: str) -> str:
    wrong = re.fullmatch(r"[a-z0-9]+", value) is None
    refuse(["must be the client code: lower-case letters and digits, as in CLIENT.tt.omtrdc.net"] if wrong else [])
    return value


def _topic(value: str) -> str:
    refuse([topics.topic_problem(value)])
    return value


def _topic_name(value: str) -> str:
    refuse([topics.name_problem(value)])
    return value


def _servers(value: str) -> str:
    fine = all(re.fullmatch(r"[!-~]+", server.strip()) for server in value.split(","))
    refuse([] if fine else ["must be host:port, or several with commas between them"])
    return value


def _url(value: str) -> str:
    try:
        parts = urlsplit(value)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise ValueError(_NO_ADDRESS) from None
    if parts.scheme not in {"http", "https"} or not host or re.fullmatch(r"[!-\[\]-~]+", value) is None:
        raise ValueError(_NO_ADDRESS)
    refuse(
        [
            "must not hold a user name or password; they would be shown" if "@" in parts.netloc else None,
            "must not have a query or a fragment; leave out what follows ? or #" if set("?#") & set(value) else None,
        ]
    )
    return value.rstrip("/")


def _target_url(value: str) -> str:
    url = _url(value)
    parts = urlsplit(url)
    refuse(["must not have a path; the service adds the one of Target's API"] if parts.path else [])
    open_to_all = not keeps_secrets(url)
    refuse(["http is allowed only to this machine (127.0.0.1, ::1, localhost); write https://"] if open_to_all else [])
    return url


def _librdkafka_values(value: object) -> object:
    """Every value as text, so that librdkafka reads what the file says."""
    if not isinstance(value, Mapping):
        return value
    wrong = [name for name, item in value.items() if not isinstance(item, str | int | float)]
    refuse(f"{one_line(name)}: must be text, a number, true or false" for name in wrong)
    return {name: librdkafka.as_text(item) for name, item in value.items()}


def _librdkafka(given: Mapping[str, str]) -> Mapping[str, str]:
    refuse(one_line(problem) for problem in librdkafka.problems(given))
    return given


def _secret_files(given: Mapping[str, Path]) -> Mapping[str, Path]:
    refuse(one_line(problem) for problem in librdkafka.file_problems(given))
    return given


def _attributes(value: object) -> object:
    """Checked as a whole, so that a problem is told once and not per alternative."""
    if value == "all":
        return value
    if not isinstance(value, Mapping) or not value:
        raise ValueError("must be a map of Target's names to paths, such as {city: address.city}, or all")
    named = {f"{one_line(name)}: ": (check_name(str(name)), _source_problem(held)) for name, held in value.items()}
    refuse(name + problem for name, found in named.items() for problem in found if problem)
    return value


def _duration(given: object) -> float:
    seconds = units.duration(given)
    refuse(["must be more than 0"] if seconds <= 0 else [])
    refuse(["must be 24h or less"] if seconds > MAX_DURATION_S else [])
    return seconds


def _batch_size(given: object) -> int:
    size_bytes = units.size(given)
    refuse(["must be under 50MB, Target's limit of a batch; write 45MB"] if size_bytes >= MAX_BATCH_BYTES else [])
    refuse(["must be 1kB or more"] if size_bytes < MIN_BATCH_BYTES else [])
    return size_bytes


def _texts(value: object) -> object:
    """What is sent as it stands, by Target's names; checked as a whole, as attributes are."""
    if not isinstance(value, Mapping):
        raise ValueError("must be a map of Target's names to texts, such as {status: gone}")  # noqa: TRY004 (pydantic's)
    named = {f"{one_line(name)}: ": (check_name(str(name)), _sent_problem(text)) for name, text in value.items()}
    refuse(name + problem for name, found in named.items() for problem in found if problem)
    return value


def _on_null(value: object) -> object:
    """Checked as a whole, so that a problem is told once and not per alternative."""
    rules = ("leave", "sentinel")
    if isinstance(value, Mapping):
        refuse(f"{one_line(name)}: must be leave or sentinel" for name, rule in value.items() if rule not in rules)
    elif value not in rules:
        raise ValueError('must be leave or sentinel, or a map of these, such as {tier: sentinel, "*": leave}')
    return value


def _flag(value: object) -> object:
    """`true` and `1` as YAML reads them are texts like any other."""
    return librdkafka.as_text(value) if isinstance(value, bool | int) else value


def _sent(value: str) -> str:
    refuse([_sent_problem(value)])
    return value


def _sent_problem(text: object) -> str | None:
    """Why a text could not be sent just so."""
    if not isinstance(text, str):
        return "must be text; put it in quotes"
    if len(text) > MAX_VALUE_CHARS:
        return f"must have at most {MAX_VALUE_CHARS} characters, as a page may send no more"
    return (
        None
        if text.strip() and text.isprintable() and "," not in text
        else "must be one line without a comma, and not empty"
    )


_COMPUTED: Final = {
    "type": "object",
    "properties": {VALUE: {"type": "string"}},
    "required": [VALUE],
    "additionalProperties": False,
}
_NullRule = Literal["leave", "sentinel"]
_ANY_WORD: Final = {"type": ["string", "number", "boolean"], "examples": ["true"]}
Text = Annotated[str, AfterValidator(_one_line)]
FieldPath = Annotated[str, AfterValidator(_path)]
Client = Annotated[str, AfterValidator(_client)]
Topic = Annotated[str, AfterValidator(_topic)]
TopicName = Annotated[str, AfterValidator(_topic_name)]
Servers = Annotated[str, AfterValidator(_one_line), AfterValidator(_servers)]
Url = Annotated[str, AfterValidator(_url)]
TargetUrl = Annotated[str, AfterValidator(_target_url)]
Count = Annotated[int, BeforeValidator(_no_truth_value)]
Share = Annotated[float, BeforeValidator(_no_truth_value)]
Condition = Annotated[str, AfterValidator(_expression)]
Computed = Annotated[Mapping[str, str], WithJsonSchema(_COMPUTED)]
Id = Annotated[str | Computed, BeforeValidator(_id)]
Attributes = Annotated[Mapping[str, str | Computed] | Literal["all"], BeforeValidator(_attributes)]
OnNull = Annotated[_NullRule | Mapping[str, _NullRule], BeforeValidator(_on_null)]
Flag = Annotated[str, BeforeValidator(_flag), WithJsonSchema(_ANY_WORD)]
Sent = Annotated[str, AfterValidator(_sent)]
Texts = Annotated[Mapping[str, str], BeforeValidator(_texts)]
Properties = Annotated[
    Mapping[str, str],
    BeforeValidator(_librdkafka_values),
    AfterValidator(_librdkafka),
    WithJsonSchema({"type": "object", "additionalProperties": {"type": ["string", "number", "boolean"]}}),
]
SecretFiles = Annotated[Mapping[str, Path], AfterValidator(_secret_files)]
Duration = Annotated[
    float,
    BeforeValidator(_duration),
    PlainSerializer(units.duration_text, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "pattern": units.DURATION_PATTERN, "examples": ["10s"]}),
]
BatchSize = Annotated[
    int,
    BeforeValidator(_batch_size),
    PlainSerializer(units.size_text, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "pattern": units.SIZE_PATTERN, "examples": ["45MB"]}),
]
