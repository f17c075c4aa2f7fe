"""A proxy that repeats, in every answer, what it was told: the worst that Target, the registry or a gateway may say."""

from __future__ import annotations

import json
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException, HTTPResponse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from collections.abc import Iterator

_PASSED_ON = ("Host", "Authorization", "Content-Type")
_PASSED_BACK = ("Content-Type", "Location", "Retry-After")


class Parrot(ThreadingHTTPServer):
    """Stands before one server and hands requests on, or refuses them while `refuses` is set.

    Attributes:
        url: what to ask in place of the server's own address.
        heard: the credentials that it was given.
        refuses: answer 401 to everything.
    """

    def __init__(self, before: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.before = urlsplit(before).netloc
        self.url = f"http://127.0.0.1:{self.server_port}{urlsplit(before).path}"
        self.heard: set[str] = set()
        self.refuses = False

    def handle_error(self, *_: object) -> None:
        """A connection that was cut is cut on this side too, without a word on our output."""


class _Handler(BaseHTTPRequestHandler):
    server: Parrot

    def do_GET(self) -> None:
        told = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        credentials = self.headers.get("Authorization", "")
        self.server.heard.add(credentials)
        words = f"{credentials} {told[:2000].decode(errors='replace')}"
        if self.server.refuses:
            self._answer(401, {}, json.dumps({"error_code": 401, "message": words}).encode())
            return
        connection = HTTPConnection(self.server.before, timeout=30)
        try:
            passed_on = {name: self.headers[name] for name in _PASSED_ON if name in self.headers}
            connection.request(self.command, self.path, told or None, passed_on)
            answer = connection.getresponse()
            body = answer.read().replace(b"<message>", b"<message>" + escape(words).encode())
        except (OSError, HTTPException):
            self.close_connection = True
            return
        finally:
            connection.close()
        self._answer(answer.status, _kept(answer), body)

    do_POST = do_GET  # noqa: N815 (the library's name)

    def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def _kept(answer: HTTPResponse) -> dict[str, str]:
    return {name: answer.headers[name] for name in _PASSED_BACK if name in answer.headers}


@contextmanager
def parrot(before: str) -> Iterator[Parrot]:
    """A parrot before this address."""
    with Parrot(before) as made:
        Thread(target=made.serve_forever, daemon=True).start()
        try:
            yield made
        finally:
            made.shutdown()
