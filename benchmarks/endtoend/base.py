"""The plain program that somebody would write instead: a paho loop with one `if`, one timer, and one POST.

It keeps its session and its connection to the receiver, and paho acknowledges once the callback has returned. It stores
nothing and tries nothing twice.

    python -m benchmarks.endtoend.base --port PORT --url http://127.0.0.1:PORT/base [--hold 10]
"""

from __future__ import annotations

import argparse
import http.client
import json
import signal
import threading
from typing import Any, Final
from urllib.parse import urlsplit

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion

from benchmarks.endtoend.traffic import HELD
from tests import servers

MODULE: Final = "benchmarks.endtoend.base"


class Base:
    """Two rules: an escort is told at once; a door that stays open so many seconds is told once."""

    def __init__(self, url: str, hold: float) -> None:
        self._where = urlsplit(url)
        self._hold = hold
        self._line: http.client.HTTPConnection | None = None
        self._timer: threading.Timer | None = None

    def handle(self, _client: Client, _data: Any, message: MQTTMessage) -> None:
        """Take in one message."""
        said = json.loads(message.payload)
        if said.get("action") == "escort":
            self._post(bytes(message.payload))
        elif message.topic == HELD:
            if self._timer is not None:
                self._timer.cancel()
            if said.get("position") == "open":
                self._timer = threading.Timer(self._hold, self._post, [bytes(message.payload)])
                self._timer.daemon = True
                self._timer.start()

    def _post(self, payload: bytes) -> None:
        try:
            if self._line is None:
                self._line = http.client.HTTPConnection(self._where.hostname or "", self._where.port, timeout=10)
            self._line.request("POST", self._where.path, payload, {"content-type": "application/json"})
            self._line.getresponse().read()
        except OSError:
            self._line = None  # a new one with the next


def main() -> int:
    """Work until SIGTERM."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--port", type=int, required=True)
    words.add_argument("--url", required=True)
    words.add_argument("--hold", type=float, default=10.0)
    said = words.parse_args()
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    client = Client(CallbackAPIVersion.VERSION2, client_id="base", clean_session=False)
    client.username_pw_set("hallwatch", servers.PASSWORD)
    client.on_connect = _subscribe
    client.on_message = Base(said.url, said.hold).handle
    client.connect("127.0.0.1", said.port)
    client.loop_start()
    stop.wait()
    client.disconnect()
    client.loop_stop()
    return 0


def _subscribe(client: Client, *_: object) -> None:
    client.subscribe("campus/#", 1)


if __name__ == "__main__":
    raise SystemExit(main())
