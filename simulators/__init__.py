"""Pretends: a campus that speaks MQTT, and knows only what a real sensor knows."""
