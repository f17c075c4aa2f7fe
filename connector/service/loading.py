"""From the settings file and the environment to `Settings`; every problem is one line.

Promises: environment over file over default; unknown keys and variables refused; the files that settings name are
there and not empty; all problems told at once, each as place, key, problem and remedy; no value in any of them unless
it is a number or a name. Called by `cli` for every command.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pydantic import ValidationError

from connector.errors import SettingError
from connector.service import environment, librdkafka, settings_file
from connector.service.environment import section_of
from connector.service.one_line import one_line
from connector.service.secret_files import file_problem, has_lines, read_secret
from connector.service.settings import Settings
from connector.service.settings_problems import Origin, dotted, lines_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from connector.service.settings_file import Place

# Settings with a thousand attributes take some 50 kB. YAML of a megabyte takes most of a minute to read.
MAX_FILE_BYTES: Final = 256 * 1024
MAX_PROBLEMS: Final = 50  # told; nobody reads more
MAX_PROBLEM_CHARACTERS: Final = 400


def load(path: Path | None, environ: Mapping[str, str]) -> Settings:
    """Returns the settings of a file and the environment.

    Args:
        path: the file; where None, `CONNECTOR_CONFIG` names it, or there is none.
        environ: the environment.

    Raises:
        SettingError: anything is wrong; its text has a line for each problem.
    """
    if path is None and environment.FILE_VARIABLE in environ:
        if not environ[environment.FILE_VARIABLE]:
            raise SettingError(f"{environment.FILE_VARIABLE}: is empty; name the settings file, or unset it")
        path = Path(environ[environment.FILE_VARIABLE])
    values, lines = ({}, {}) if path is None else _read(path)
    given = environment.read(environ)
    origin = Origin("settings" if path is None else str(path), lines, given.variables)
    for place, value in given.values.items():
        _put(values, place, value)
    for name, field in Settings.model_fields.items():
        if section_of(field.annotation) and field.is_required():
            values.setdefault(name, {})  # so that the error names the keys which it lacks
    try:
        settings = Settings.model_validate(values)
    except ValidationError as error:
        raise _told([*given.problems, *lines_of(error, origin)]) from None
    problems = [*given.problems, *_files(settings, origin)]
    if problems:
        raise _told(problems)
    return settings


def _told(problems: list[str]) -> SettingError:
    lines = [one_line(problem)[:MAX_PROBLEM_CHARACTERS] for problem in problems[:MAX_PROBLEMS]]
    if len(problems) > MAX_PROBLEMS:
        lines.append(f"and {len(problems) - MAX_PROBLEMS} more problems; correct these first")
    return SettingError("\n".join(lines))


def _read(path: Path) -> tuple[dict[str, Any], dict[Place, int]]:
    problem = file_problem(path)
    if problem:
        raise SettingError(f"{path}: {problem} (--config or {environment.FILE_VARIABLE} names the settings file)")
    try:
        with path.open("rb") as file:
            text = file.read(MAX_FILE_BYTES + 1)
        if len(text) > MAX_FILE_BYTES:
            raise SettingError(f"{path}: is larger than {MAX_FILE_BYTES // 1024} KiB, as no settings are; name another")
        values, lines = settings_file.parse(text.decode("utf-8"))
    except OSError as error:
        raise SettingError(f"{path}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise SettingError(f"{path}: is not UTF-8 text; write the settings as YAML") from None
    except settings_file.SettingsTextError as problem_there:
        raise _told([f"{path}:{problem_there.line}: {problem_there}"]) from None
    if values is None:
        return {}, {}
    if not isinstance(values, dict):
        raise SettingError(f"{path}: is not a map of settings; write kafka:, sources: and so on")
    return values, lines


def _put(values: dict[str, Any], place: Place, value: object) -> None:
    """Puts a value of the environment in its place; where the file has no map there, its error stays to be told."""
    *above, last = place
    section: Any = values
    for name in above:
        if section.get(name) is None:
            section[name] = {}
        section = section[name]
        if not isinstance(section, dict):
            return
    section[last] = value


def _files(settings: Settings, origin: Origin) -> Iterator[str]:
    """Tells of files that settings name and that are not there, or are secrets and empty."""
    registry, target = settings.registry, settings.target
    secrets: dict[Place, Path | None] = {("target", "token_file"): target.token_file}
    plain = _named_to_librdkafka(settings)
    for name in ("ca_file", "token_expires_file"):
        plain["target", name] = getattr(target, name)
    if registry is not None:
        for name in ("password_file", "token_file"):
            secrets["registry", name] = getattr(registry, name)
        secrets["registry", "key_file"] = registry.key_file
        for name in ("ca_file", "cert_file"):
            plain["registry", name] = getattr(registry, name)
    for number, source in enumerate(settings.sources):
        plain["sources", number, "schema_file"] = source.schema_file
    for place, path in secrets.items():
        yield from _secret_problem(path, place, origin, lines=place[-1] == "key_file")
    for name, path in settings.kafka.secrets.items():
        yield from _secret_problem(path, ("kafka", "secrets", name), origin, lines=has_lines(name))
    for place, path in plain.items():
        problem = file_problem(path) if path else None
        if problem:
            yield f"{origin.of(place)}: {dotted(place)}: {path}: {problem}"


def _named_to_librdkafka(settings: Settings) -> dict[Place, Path | None]:
    given = {name: settings.kafka.properties[name] for name in librdkafka.FILES if name in settings.kafka.properties}
    authorities = given.get("ssl.ca.location", "")
    if authorities == "probe" or os.path.isdir(authorities):  # noqa: PTH112 (librdkafka looks there; no Path of any text)
        del given["ssl.ca.location"]
    return {("kafka", "properties", name): Path(path) for name, path in given.items()}


def _secret_problem(path: Path | None, place: Place, origin: Origin, *, lines: bool) -> Iterator[str]:
    try:
        if path is not None:
            read_secret(path, dotted(place), lines=lines)
    except SettingError as error:
        yield f"{origin.of(place)}: {error}"
