"""The simulated Target alone, for `simulate-target`: until SIGTERM or Ctrl-C."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING

from connector.errors import SettingError
from connector.simulator.app import Simulator

if TYPE_CHECKING:
    from collections.abc import Callable

    from connector.simulator.account import SimulatorOptions


async def simulate(options: SimulatorOptions, host: str, port: int, say: Callable[[str], None]) -> None:
    """Serve, after one line with the address.

    Raises:
        SettingError: the address cannot be listened on.
    """
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    simulator = Simulator(options)
    try:
        url = await simulator.start(host, port)
    except OSError as error:
        raise SettingError(f"--port: {host}:{port} cannot be listened on ({error.strerror})") from error
    try:
        say(f"A simulated Adobe Target at {url}")
        await stop.wait()
    finally:
        await simulator.stop()
