"""The embedded broker: real MQTT with nothing to install, for the demo, for trials and for tests.

rumqttd (the iotcore wheel) runs in a child process that ends with ours, however ours ends. It keeps everything in
memory: a restart forgets sessions, queued and retained messages. It speaks MQTT 3.1.1; a client that opens with
MQTT 5 is hung up on at once. It also hangs up on a client that acknowledges out of order.
"""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from iotcore import Broker

from core.errors import BadInput, Problem, Unavailable

HOST = "127.0.0.1"
MAX_PAYLOAD = 11 * 1024 * 1024
"""Bytes in one message; a larger one ends the connection of its sender."""
# Each subscription keeps its messages in segments, for sessions that are away. Bounded: 128 MiB at most.
CONFIGURATION = """\
id = 0
[router]
id = 0
max_connections = 1000
max_outgoing_packet_count = 200
max_segment_size = 16777216
max_segment_count = 8
[v4.1]
name = "v4-1"
listen = "{host}:{port}"
next_connection_delay_ms = 1
[v4.1.connections]
connection_timeout_ms = 60000
max_payload_size = {max_payload}
max_inflight_count = 1000
dynamic_filters = true
"""


class EmbeddedBroker:
    """A broker on a port of this machine alone."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._broker: Broker | None = None

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"mqtt://{HOST}:{self.port}"

    async def start(self) -> None:
        """Return once it accepts connections; BadInput if the port is taken, Unavailable if it does not come up."""
        try:
            self._broker = await asyncio.to_thread(self._start)
        except OSError:
            problem = Problem(f"port {self.port} is in use; choose another one", where="MQTT_EMBEDDED_PORT")
            raise BadInput([problem]) from None
        except RuntimeError as error:
            raise Unavailable(f"the embedded broker did not start: {error}") from None

    def _start(self) -> Broker:
        with tempfile.TemporaryDirectory(prefix="hallwatch-broker-") as folder:
            path = Path(folder) / "rumqttd.toml"
            path.write_text(CONFIGURATION.format(host=HOST, port=self.port, max_payload=MAX_PAYLOAD))
            return Broker(config_path=str(path)).start()

    async def stop(self) -> None:
        """End its process; safe to call twice."""
        broker, self._broker = self._broker, None
        if broker is not None:
            await asyncio.to_thread(broker.stop)
