"""The installed command in a process of its own, in a group that nobody has used. Called by `start` and `latency`.

Its settings are the defaults as far as they can be: one flat source, whose schema is a file, so that no registry is
part of a figure.
"""

from __future__ import annotations

import json
import subprocess
import sys
import uuid
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

COMMAND: Final = str(Path(sys.executable).with_name("target-connector"))
# Confluent's five bytes before the datum, as a field.
PREFIX: Final[dict[str, Any]] = {"name": "prefix", "type": {"type": "fixed", "name": "Prefix", "size": 5}}


@dataclass(frozen=True)
class Setting:
    """What one command is to do.

    Attributes:
        address: of Kafka.
        topic: that it reads.
        target: Target's address.
        schema: of the records, with PREFIX as its first field.
        id: the field of the id.
        attributes: the field of each attribute.
        max_age: of a window.
        drain: `service.drain`.
    """

    address: str
    topic: str
    target: str
    schema: Mapping[str, Any]
    id: str
    attributes: Mapping[str, str]
    max_age: str
    drain: str = "20s"


@contextmanager
def running(setting: Setting, folder: str) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """Runs the command, with its files in this folder; gives its process and its log. Kills it at the end."""
    config, log = Path(folder, "connector.yaml"), Path(folder, "log")
    config.write_text(json.dumps(settings(setting, Path(folder, "schema.avsc"))))
    with log.open("wb") as out:
        process = subprocess.Popen([COMMAND, "run", "--config", str(config)], stdout=out, stderr=out)
    try:
        yield process, log
    finally:
        process.kill()
        process.wait()


def settings(setting: Setting, schema_file: Path) -> dict[str, Any]:
    """The settings of a command; writes the schema to the file that they name."""
    schema_file.write_text(json.dumps(setting.schema))
    source = {
        "topics": [setting.topic],
        "framing": "plain",
        "schema_file": str(schema_file),
        "id": setting.id,
        "attributes": setting.attributes,
    }
    return {
        "kafka": {"bootstrap_servers": setting.address, "group_id": f"benchmark-{uuid.uuid4().hex[:8]}"},
        "sources": [source],
        "window": {"max_age": setting.max_age},
        "target": {"client": "acme", "base_url": setting.target},
        "dead_letters": {"topic": f"{setting.topic}.dead-letters"},
        "service": {"host": "127.0.0.1", "port": 0, "admin_port": 0, "drain": setting.drain},
    }
