"""The only place that listens to MQTT: hears, hands over in batches, and acknowledges once the effects are stored."""

from __future__ import annotations

from ingest.mqtt.address import Address
from ingest.mqtt.listener import Listener
from ingest.mqtt.status import Status

__all__ = ["Address", "Listener", "Status"]
