"""Questions to a Confluent-compatible registry, through confluent-kafka's client, asked until there is an answer.

Promises: a registry that does not answer, refuses us or answers nonsense is waited for, for ever, with the operator
told as long as it lasts; `None` means that it answered to have no such thing, and nothing else does. Called by
`registry` alone.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar
from urllib.parse import urlsplit

import httpx2
from confluent_kafka.schema_registry import AsyncSchemaRegistryClient
from confluent_kafka.schema_registry.error import SchemaRegistryError

from connector.avro import answer_bound
from connector.avro.answer_bound import AnswerTooLargeError
from connector.avro.apicurio_core import ApicurioCore, core_url
from connector.avro.schema_keys import Kind
from connector.errors import SettingError
from connector.telemetry import Part

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from confluent_kafka.schema_registry import RegisteredSchema, Schema

    from connector.avro.schema_keys import SchemaKey
    from connector.telemetry import Telemetry

T = TypeVar("T")

# The client's time-outs are of each read, so an answer that drips would never end. A schema comes in milliseconds.
ANSWER_WITHIN_S: Final = 60.0
# The client's own limit is 100 connections, and waiting for one counts as a timeout: stay well below.
_QUESTIONS_AT_ONCE: Final = 8
_MOST_DOUBLINGS: Final = 16  # far beyond any longest wait; keeps the number small
_NOT_FOUND: Final = 404
_REFUSED: Final = (401, 403)
# Confluent's error codes of "not found" (subject 40401, version 40402, schema 40403); Apicurio's ErrorCode.java has the
# same, the client's mock 40400. A 404 without one comes from something else: a proxy, or a wrong path in the address.
_NOT_FOUND_CODES: Final = range(40400, 40500)


_BAD_URL: Final = "registry: give an http(s) url with a host, without a user beside username; key_file needs cert_file"


@dataclass(frozen=True, slots=True)
class RegistryOptions:
    """Where the registry is and how to show who we are.

    Attributes:
        url: one address, or several with commas between; `mock://` for one in this process.
        username: for basic authentication, with `password`.
        password: goes with `username`.
        token: sent as a bearer token instead.
        logical_cluster: Confluent Cloud's `lsrc-…`, sent with the token; other registries ignore it.
        ca_file: PEM file of the authorities to trust; the usual public ones where it is None.
        cert_file: PEM file of the client's certificate.
        key_file: PEM file of its key, where that is not in `cert_file`.
        timeout_s: of connecting, of sending and of each read.
    """

    url: str
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)
    logical_cluster: str = ""
    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None
    timeout_s: float = 10.0

    def conf(self) -> dict[str, Any]:
        """Give the client's configuration. It retries nothing itself, so that waiting is told to the operator."""
        conf: dict[str, Any] = {"url": self.url, "timeout": self.timeout_s, "max.retries": 0}
        files = {
            "ssl.ca.location": self.ca_file,
            "ssl.certificate.location": self.cert_file,
            "ssl.key.location": self.key_file,
        }
        conf |= {name: file for name, file in files.items() if file is not None}
        if self.username is not None:
            conf["basic.auth.user.info"] = f"{self.username}:{self.password or ''}"
        if self.token is not None:
            conf["bearer.auth.credentials.source"] = "STATIC_TOKEN"
            conf["bearer.auth.token"] = self.token
            # The client insists on one, though an empty one will do.
            conf["bearer.auth.logical.cluster"] = self.logical_cluster
        return conf

    def client(self) -> AsyncSchemaRegistryClient:
        """Make the client; nothing is sent yet.

        Raises:
            SettingError: the address, or one of the certificate files, cannot be used.
        """
        try:
            if any(not _usable(httpx2.URL(url.strip())) for url in self.url.split(",")):
                raise SettingError(_BAD_URL)
            client = AsyncSchemaRegistryClient.new_client(self.conf())
        except OSError as error:  # ssl.SSLError is one
            raise SettingError(f"registry: its certificate files cannot be used: {error.strerror or error}") from error
        except (ValueError, httpx2.InvalidURL) as error:
            # Without the client's text, which quotes the address with whatever secret is in it.
            raise SettingError(_BAD_URL) from error
        if type(client) is AsyncSchemaRegistryClient:  # not the one of `mock://`, which asks nobody
            answer_bound.bound(client._rest_client.session)  # noqa: SLF001 (it takes neither a session nor a transport)
        return client

    def core(self) -> ApicurioCore:
        """Make what asks Apicurio's own interface; nothing is sent yet.

        Raises:
            SettingError: as `client`.
        """
        return ApicurioCore(replace(self, url=core_url(self.url)).client())


@dataclass(frozen=True, slots=True)
class Backoff:
    """How long to wait before a registry that does not answer is asked again.

    Attributes:
        first_s: the first time; doubles each time, less up to half of it at random, so that replicas do not ask in
            step.
        longest_s: where the doubling ends.
    """

    first_s: float = 0.5
    longest_s: float = 30.0


class RegistryAccess:
    """Asks, and waits.

    Args:
        client: used by nobody else, since its caches are cleared when it has cached what is no schema.
        telemetry: told while the registry does not answer.
        core: asked for global ids; without it there are none.
        backoff: how long to wait.
        sleep: waits for so many seconds.
        chance: gives numbers from 0 up to 1 at random.
        answer_within_s: the longest that a question may take in all.
    """

    def __init__(  # noqa: PLR0913 (the ports of one part, named)
        self,
        client: AsyncSchemaRegistryClient,
        *,
        telemetry: Telemetry,
        core: ApicurioCore | None = None,
        backoff: Backoff | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        chance: Callable[[], float] | None = None,
        answer_within_s: float = ANSWER_WITHIN_S,
    ) -> None:
        self._answer_within_s = answer_within_s
        self._client = client
        self._core = core
        self._telemetry = telemetry
        self._backoff = backoff or Backoff()
        self._sleep = sleep
        self._chance = chance or random.SystemRandom().random
        self._gate = asyncio.Semaphore(_QUESTIONS_AT_ONCE)
        self._in_trouble = False

    async def schema(self, key: SchemaKey) -> Schema | None:
        """Give the schema of a NUMBER, GUID or GLOBAL, or None where the registry has none."""

        async def ask() -> Schema:
            if key.kind is Kind.GUID:
                return await self._checked(await self._client.get_schema_by_guid(str(key.uuid)))
            return await self._checked(await self._client.get_schema(key.number))

        if key.kind is Kind.GLOBAL:
            return None if self._core is None else await self._ask(partial(self._core.schema, key.number))
        # Registries without GUIDs answer without a code, and a value that was damaged may ask for one.
        return await self._ask(ask, coded=key.kind is not Kind.GUID)

    async def version(self, subject: str, version: int | Literal["latest"]) -> RegisteredSchema | None:
        """Give one version of a subject, or None where the registry has none.

        A version that is named may be softly deleted, as old records were written with it; the latest may not.
        """

        async def ask() -> RegisteredSchema:
            found = await self._client.get_version(subject, version, deleted=version != "latest")
            await self._checked(found.schema)
            return found

        return await self._ask(ask)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()
        if self._core is not None:
            await self._core.close()

    async def _checked(self, schema: Schema) -> Schema:
        if not isinstance(schema.schema_str, str):
            # The client keeps what it was given, schema or not, and would never ask again.
            await self._client.clear_caches()  # type: ignore[no-untyped-call]  # it has no annotations
            raise ValueError("not a schema")  # noqa: TRY004 - caught by _ask with what the client itself raises
        return schema

    async def _ask(self, question: Callable[[], Awaitable[T]], *, coded: bool = True) -> T | None:
        """Ask until there is an answer; `coded`: a "not found" counts only if it has a code of the registry's."""
        turn = 0
        while True:
            try:
                async with self._gate, asyncio.timeout(self._answer_within_s):
                    answer = await question()
            except SchemaRegistryError as error:
                if error.http_status_code == _NOT_FOUND and (not coded or error.error_code in _NOT_FOUND_CODES):
                    self._well()
                    return None
                self._trouble(_words(error.http_status_code))
            except (httpx2.HTTPError, OSError) as error:
                self._trouble(f"does not answer ({type(error).__name__})")
            except AnswerTooLargeError as error:
                self._trouble(f"{error}: check registry.url")
            except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
                # What the client makes of a success whose body no registry would send.
                self._trouble("answers something that is no schema: check registry.url")
            else:
                self._well()
                return answer
            wait_s = min(self._backoff.first_s * 2 ** min(turn, _MOST_DOUBLINGS), self._backoff.longest_s)
            await self._sleep(wait_s * (1 - self._chance() / 2))
            turn += 1

    def _trouble(self, what: str) -> None:
        self._in_trouble = True
        url: str = self._client.config()["url"]  # type: ignore[no-untyped-call]  # it has no annotations
        host = urlsplit(url.split(",", maxsplit=1)[0]).hostname  # no more: it may carry a password
        self._telemetry.trouble(Part.REGISTRY, f"the schema registry at {host} {what}; waiting for it")

    def _well(self) -> None:
        if self._in_trouble:
            self._in_trouble = False
            self._telemetry.trouble(Part.REGISTRY, None)


def _usable(url: httpx2.URL) -> bool:
    return url.scheme == "mock" or (url.scheme in {"http", "https"} and bool(url.host))


def _words(status: int) -> str:
    if status in _REFUSED:
        return f"refuses us (HTTP {status}): check the registry's credentials"
    if status == _NOT_FOUND:
        return "answers HTTP 404 as no registry does: check registry.url"
    return f"answers HTTP {status}"
