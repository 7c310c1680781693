"""Every row of every room, so that the metadata is whole: importing this module is enough."""

from __future__ import annotations

import alerts.flood
import alerts.links
import alerts.preflight
import alerts.shelf
import alerts.store
import alerts.weekly
import api.access
import api.idempotency
import api.plans
import api.sessions
import api.users
import core.audit
import core.feed
import core.journal
import core.registry
import core.state
import ingest.discovery
import ingest.health
import ingest.hooks
import ingest.quarantine
import ingest.store
import rules.store

__all__ = ["alerts", "api", "core", "ingest", "rules"]
