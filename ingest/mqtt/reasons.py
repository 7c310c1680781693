"""Why there is no connection, in words that say what to do."""

from __future__ import annotations

from typing import Final

from paho.mqtt.reasoncodes import ReasonCode

UNSUPPORTED: Final = "Unsupported protocol version"
_WORDS: Final = {
    "Bad user name or password": "the broker refuses the user name or password (MQTT_URL)",
    "Not authorized": "the broker does not let this user in (its passwords or its access list)",
    "Client identifier not valid": "the broker refuses the client id (MQTT_CLIENT_ID)",
    "Session taken over": "another client with the same id took the session over (each needs its own MQTT_CLIENT_ID)",
    UNSUPPORTED: "the broker does not speak this version of MQTT",
    "Unspecified error": "the connection was lost",
    "Keep alive timeout": "the broker no longer answers",
}
OUSTED: Final = ", soon after it was made, again and again; does another client use the same MQTT_CLIENT_ID?"
"""Not every broker tells the one whose place another client takes."""
FULL: Final = "as much as may wait is waiting to be stored; connecting again after that"
HUNG_UP: Final = "the broker hung up before it answered"
CLOSED: Final = "closed"


def of_broker(reason: ReasonCode) -> str:
    """Return what a reason code of the broker means to whoever runs the service."""
    return _WORDS.get(str(reason), f"the broker says: {reason}")


def of_network(address: object, error: OSError) -> str:
    """Return why the broker cannot be reached."""
    return f"the broker at {address} cannot be reached: {error.strerror or str(error) or type(error).__name__}"
