"""The rules' small language: a typed, bounded subset of CEL."""
