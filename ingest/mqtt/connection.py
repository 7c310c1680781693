"""The network's side of the listener: one thread that keeps a connection up, takes messages in, sends
acknowledgements out.

All of MQTT happens in this thread; what the event loop wants (acknowledge, go on reading, end) is left in a queue and
the thread is woken. Acknowledgements carry the number of their connection: a late one may name a packet id that
means another message by now.
"""

from __future__ import annotations

import contextlib
import selectors
import threading
from collections import deque
from collections.abc import Callable, Sequence
from random import SystemRandom
from typing import Any, Final

import structlog
from paho.mqtt.client import MQTTMessage
from paho.mqtt.reasoncodes import ReasonCode

from core.clock import Clock, stopwatch
from core.messages import Heard
from ingest.mqtt import reasons
from ingest.mqtt.address import Address
from ingest.mqtt.bell import Bell
from ingest.mqtt.client import BufferedClient, Version, connect, make_client, subscribe, unsubscribe
from ingest.mqtt.status import Status
from ingest.mqtt.waiting import Delivery, Waiting

FIRST_PAUSE: Final = 0.5
LONGEST_PAUSE: Final = 15.0
"""Seconds between two attempts to connect: from the first, doubled each time, to the longest."""
_STEADY: Final = 5.0
"""A connection that lasted so many seconds was a good one; the next attempt is made soon."""
_TICK: Final = 1.0
_PACKETS: Final = 1000
_SUSPICIOUS: Final = 2
"""Connections in a row that did not last."""
log = structlog.get_logger()


class Connection:
    """Keeps one kept session open, for ever, until it is closed."""

    def __init__(
        self,
        address: Address,
        *,
        client_id: str,
        topics: Sequence[str],
        waiting: Waiting,
        clock: Clock,
        on_change: Callable[[], None],
    ) -> None:
        self._address = address
        self._client_id = client_id
        self._topics = tuple(topics)
        self._heard: tuple[str, ...] = ()
        """What the session is subscribed to, or was asked for last."""
        self._asked: dict[int, tuple[str, ...]] = {}
        """What was asked for and not answered yet, by the number of the question."""
        self._waiting = waiting
        self._clock = clock
        self._on_change = on_change
        self._version = Version()
        self._thread: threading.Thread | None = None
        self._closing = threading.Event()
        self._bell: Bell | None = None
        self._acknowledge: deque[Delivery] = deque()
        self._unacknowledged: dict[int, Delivery] = {}
        self._number = 0
        self._answered = False
        self._refusal = ""
        self._started = stopwatch()
        self._brief = 0
        self._connected = False
        self._since = clock.now()
        self._reason = "not connected yet"
        self._received = self._acknowledged = self._dropped = self._redelivered = 0

    # ------------------------------------------------------------------ what the event loop asks for
    def start(self) -> None:
        """Begin to connect."""
        self._bell = Bell()
        self._thread = threading.Thread(target=self._run, name="mqtt", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the session's connection (the session itself is kept) and the thread; blocks for a moment."""
        self._closing.set()
        if self._thread is not None and self._bell is not None:
            self._bell.ring()
            self._thread.join()
            self._bell.close()

    def subscribe(self, topics: Sequence[str]) -> None:
        """Hear these topics from now on, and no others."""
        self._topics = tuple(topics)
        if self._bell is not None:
            self._bell.ring()

    def acknowledge(self, deliveries: Sequence[Delivery]) -> None:
        """Tell the broker that the effects of these are stored."""
        self._acknowledge.extend(deliveries)
        if self._bell is not None:
            self._bell.ring()

    @property
    def status(self) -> Status:
        """How the connection is."""
        return Status(
            connected=self._connected,
            since=self._since,
            reason=self._reason,
            waiting=self._waiting.count,
            received=self._received,
            acknowledged=self._acknowledged,
            dropped_qos0=self._dropped,
            redelivered=self._redelivered,
        )

    # ------------------------------------------------------------------ the thread
    def _run(self) -> None:
        pause = FIRST_PAUSE
        while not self._closing.is_set():
            if self._connect_once():
                continue
            pause = FIRST_PAUSE if self._was_good else pause
            self._brief = 0 if self._was_good else self._brief + self._answered
            self._rest(pause)
            pause = min(pause * 2, LONGEST_PAUSE)

    @property
    def _was_good(self) -> bool:
        return self._answered and stopwatch() - self._started > _STEADY

    def _rest(self, pause: float) -> None:
        self._closing.wait(pause * SystemRandom().uniform(0.5, 1.0))
        while self._waiting.is_full and not self._closing.wait(_TICK / 4):
            self._say(connected=False, reason=reasons.FULL)

    def _connect_once(self) -> bool:
        """Connect and serve until that ends; return whether there is another version of MQTT to try at once."""
        self._number += 1
        self._answered, self._refusal, self._started = False, "", stopwatch()
        client = None
        try:
            client = self._new_client()
            connect(client, self._address)
            self._serve(client)
            return self._version.note(answered=self._answered)
        except OSError as error:
            self._say(connected=False, reason=reasons.of_network(self._address, error))
        except Exception as error:  # noqa: BLE001 - whatever the library makes of odd packets, hearing goes on
            self._say(connected=False, reason=f"the connection failed: {error!r}")
        finally:
            _shut(client)
        return False

    def _new_client(self) -> BufferedClient:
        client = make_client(self._address, self._client_id, self._version.next)
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        return client

    def _serve(self, client: BufferedClient) -> None:
        wire, bell = client.socket(), self._bell
        assert bell is not None
        with selectors.DefaultSelector() as selector:
            selector.register(bell, selectors.EVENT_READ)
            watched = 0
            while wire is not None and client.socket() is wire:
                may_read = not self._waiting.is_full
                wanted = may_read * selectors.EVENT_READ | client.want_write() * selectors.EVENT_WRITE
                watched = _watch(selector, wire, watched, wanted)
                at_once = may_read and client.has_more
                ready = {key.fileobj: events for key, events in selector.select(0 if at_once else _TICK)}
                if bell in ready:
                    self._answer(bell, client)
                if self._closing.is_set():
                    client.disconnect()
                    return
                self._transfer(client, reads=at_once or bool(ready.get(wire, 0) & selectors.EVENT_READ))

    def _transfer(self, client: BufferedClient, *, reads: bool) -> None:
        # A bounded number of packets, so that acknowledgements go out however much comes in.
        packets = _PACKETS if reads else 0
        while packets > 0 and client.socket() is not None and not self._waiting.is_full:
            if heard := client.take_messages(packets):
                self._take_in(heard)
            else:
                client.loop_read()
            packets = packets - max(1, len(heard)) if client.has_more else 0
        if client.want_write():
            client.loop_write()
        client.loop_misc()

    def _answer(self, bell: Bell, client: BufferedClient) -> None:
        bell.silence()
        if client.is_connected() and self._topics != self._heard:
            self._subscribe(client)
        packets: list[int] = []
        while self._acknowledge:
            delivery = self._acknowledge.popleft()
            if self._unacknowledged.get(delivery.mid) is delivery:
                del self._unacknowledged[delivery.mid]
            if delivery.mid and delivery.connection == self._number:
                packets.append(delivery.mid)
        client.acknowledge(packets)
        self._acknowledged += len(packets)

    # ------------------------------------------------------------------ what the client calls back
    def _on_connect(self, client: Any, _data: Any, _flags: Any, reason: ReasonCode, _properties: Any) -> None:
        self._answered = str(reason) != reasons.UNSUPPORTED
        if reason.is_failure:
            self._refusal = reasons.of_broker(reason)
        else:
            self._subscribe(client)

    def _subscribe(self, client: BufferedClient) -> None:
        # All of them, so that the answer is about all; what is heard already brings no retained copies again.
        before, self._heard = self._heard, self._topics
        self._asked = {subscribe(client, self._heard): self._heard}
        unsubscribe(client, [topic for topic in before if topic not in self._heard])

    def _on_subscribe(self, _client: Any, _data: Any, mid: int, codes: Sequence[ReasonCode], _properties: Any) -> None:
        asked = self._asked.pop(mid, ())
        if not asked:
            return
        refused = [topic for topic, code in zip(asked, codes, strict=False) if code.is_failure]
        self._say(
            connected=len(refused) < len(asked),
            reason=f"the broker does not let this user hear {', '.join(refused)}" if refused else "",
        )

    def _on_disconnect(self, _client: Any, _data: Any, _flags: Any, reason: ReasonCode, _properties: Any) -> None:
        if self._closing.is_set():
            self._say(connected=False, reason=reasons.CLOSED)
        elif self._answered:
            suspicious = self._brief >= _SUSPICIOUS and not self._was_good and not self._refusal
            hint = reasons.OUSTED if suspicious else ""
            self._say(connected=False, reason=(self._refusal or reasons.of_broker(reason)) + hint)
        elif self._version.is_last:
            self._say(connected=False, reason=reasons.HUNG_UP)
        else:
            log.info("mqtt_tries_older_version", broker=str(self._address))

    def _on_message(self, _client: Any, _data: Any, message: MQTTMessage) -> None:
        try:
            topic = message.topic
        except UnicodeDecodeError:
            topic = "\N{REPLACEMENT CHARACTER}"
        mid = message.mid if message.qos else 0
        self._take_in([Heard(topic, bytes(message.payload), message.retain, message.dup, mid)])

    def _take_in(self, messages: Sequence[Heard]) -> None:
        """Let messages wait to be handled, but for those that wait already or came unasked for into a full house."""
        taken: list[Delivery] = []
        full = self._waiting.is_full
        for heard in messages:
            self._redelivered += heard.redelivered
            if heard.packet == 0 and full:
                self._dropped += 1
            elif not self._is_waiting_already(heard):
                delivery = Delivery(heard, heard.packet, self._number)
                if heard.packet:
                    self._unacknowledged[heard.packet] = delivery
                taken.append(delivery)
        self._received += len(messages)
        self._waiting.put(taken)

    def _is_waiting_already(self, heard: Heard) -> bool:
        # After a reconnect the broker sends again what we hold and have not acknowledged: it is to be
        # acknowledged on the new connection, and not to be taken in twice.
        held = self._unacknowledged.get(heard.packet) if heard.packet else None
        if held is None or held.connection == self._number:
            return False
        if (held.heard.topic, held.heard.payload) != (heard.topic, heard.payload):
            return False
        held.connection = self._number
        return True

    def _say(self, *, connected: bool, reason: str) -> None:
        if (connected, reason) == (self._connected, self._reason):
            return
        if connected != self._connected:
            self._since = self._clock.now()
        self._connected, self._reason = connected, reason
        if reason and reason != reasons.CLOSED:
            log.warning("mqtt_trouble", broker=str(self._address), connected=connected, reason=reason)
        else:
            log.info("mqtt_connected" if connected else "mqtt_closed", broker=str(self._address))
        self._on_change()


def _watch(selector: selectors.BaseSelector, wire: Any, watched: int, wanted: int) -> int:
    if watched == wanted:
        return watched
    if not watched:
        selector.register(wire, wanted)
    elif wanted:
        selector.modify(wire, wanted)
    else:
        selector.unregister(wire)
    return wanted


def _shut(client: BufferedClient | None) -> None:
    wire = client.socket() if client is not None else None
    if wire is not None:
        with contextlib.suppress(OSError):
            wire.close()
