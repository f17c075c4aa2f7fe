"""A settings file's text as plain values, and the line of each key.

Promises YAML without its surprises: a key given twice and a key that is no text (`on:` means `true`) are refused. No
error quotes the file, which might hold a secret in the wrong place. Pure; called by `loading`.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import yaml

Place: TypeAlias = tuple[str | int, ...]


class SettingsTextError(Exception):
    """The text cannot be read.

    Attributes:
        line: where, counted from 1.
    """

    def __init__(self, problem: str, line: int) -> None:
        super().__init__(problem)
        self.line = line


def parse(text: str) -> tuple[Any, dict[Place, int]]:
    """Returns the values, and for each key and list item the line that it stands in, from 1.

    Raises:
        SettingsTextError: it is not YAML, or has a key twice, or one that is no text.
    """
    try:
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
        lines: dict[Place, int] = {}
        if node is not None:
            _walk(node, (), lines, set())
        return (None if node is None else loader.construct_document(node)), lines
    except (yaml.scanner.ScannerError, yaml.parser.ParserError) as error:
        raise SettingsTextError(
            f"is not YAML: {error.problem}", _line(error.problem_mark or error.context_mark)
        ) from None
    except yaml.MarkedYAMLError as error:  # an alias or a tag, whose name may be a password's first characters
        problem = "is not YAML that settings need: text that begins with *, & or ! must stand in quotes"
        raise SettingsTextError(problem, _line(error.problem_mark or error.context_mark)) from None
    except yaml.YAMLError:
        raise SettingsTextError("is not YAML: it holds characters that YAML does not allow", 1) from None
    except (ValueError, RecursionError):  # a number or date that does not exist, or nesting without end
        raise SettingsTextError(
            "holds a number or date that does not exist, or nests too deeply; use quotes", 1
        ) from None


def _line(mark: Any) -> int:
    return int(mark.line) + 1 if mark is not None else 1


def _walk(node: yaml.Node, place: Place, lines: dict[Place, int], seen: set[int]) -> None:
    """Notes lines and refuses keys; each node once, as an alias can stand in many places."""
    if id(node) in seen:
        return
    seen.add(id(node))
    if isinstance(node, yaml.SequenceNode):
        for number, item in enumerate(node.value):
            lines[*place, number] = _line(item.start_mark)
            _walk(item, (*place, number), lines, seen)
    elif isinstance(node, yaml.MappingNode):
        keys: set[str] = set()
        for key, value in node.value:
            line = _line(key.start_mark)
            if key.tag != "tag:yaml.org,2002:str":
                raise SettingsTextError("has a key that is not text; put it in quotes", line)
            if key.value in keys:
                raise SettingsTextError(f"has the key {key.value} twice; leave one", line)
            keys.add(key.value)
            lines[*place, key.value] = line
            _walk(value, (*place, key.value), lines, seen)
