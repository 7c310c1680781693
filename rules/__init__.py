"""Judges: messages in, findings out."""
