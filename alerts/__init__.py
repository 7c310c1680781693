"""Remembers and tells: findings in, alerts and deliveries out."""
