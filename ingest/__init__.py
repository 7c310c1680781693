"""Hears: MQTT and webhooks in, messages out; what cannot be read is kept with its reason."""
