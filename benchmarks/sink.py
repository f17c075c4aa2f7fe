"""The sink: answers every batch as Target does once it took it, and counts rows. A process of its own, on loopback.

It reads a body to its end and counts line feeds; a real Target does more, so what is measured against it is the sender.
"""

from __future__ import annotations

import argparse
import asyncio
from typing import Final

import uvloop
from aiohttp import web

MAX_BODY_BYTES: Final = 64_000_000  # Target takes less than 50 MB
ANSWER: Final = (
    "<response><success>true</success><batchStatus>http://127.0.0.1/status</batchStatus>"
    "<message>Batch submitted for processing</message></response>"
)


class Sink:
    """Counts what comes.

    Attributes:
        rows: lines, without the headers.
        calls: bodies.
        size_bytes: of all bodies.
    """

    def __init__(self) -> None:
        self.rows = 0
        self.calls = 0
        self.size_bytes = 0

    def app(self) -> web.Application:
        """Makes the application: the batch endpoint, and `/taken`."""
        app = web.Application(client_max_size=MAX_BODY_BYTES)
        app.router.add_post("/m2/{client}/v2/profile/batchUpdate", self._take)
        app.router.add_get("/taken", self._taken)
        return app

    async def _take(self, request: web.Request) -> web.Response:
        body = await request.read()
        self.calls += 1
        self.size_bytes += len(body)
        self.rows += body.count(b"\n")  # none after the last row, so this leaves the header out
        return web.Response(text=ANSWER, content_type="text/xml")

    async def _taken(self, _request: web.Request) -> web.Response:
        return web.json_response({"rows": self.rows, "calls": self.calls, "size_bytes": self.size_bytes})


async def serve(port: int) -> None:
    """Serves until it is ended; prints its address first."""
    runner = web.AppRunner(Sink().app(), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    print(f"http://127.0.0.1:{runner.addresses[0][1]}", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sink")
    parser.add_argument("--port", type=int, default=0, help="default: any free one")
    uvloop.run(serve(parser.parse_args().port))
