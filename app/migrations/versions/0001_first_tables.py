"""The first tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from core.database import BigId, Json, UtcTime

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "alerts",
        sa.Column("id", BigId, autoincrement=True, nullable=False),
        sa.Column("campus", sa.String(), nullable=False),
        sa.Column("rule", sa.String(), nullable=False),
        sa.Column("rule_version", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("entity", sa.String(), nullable=False),
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("severity", sa.String(), nullable=False),
        sa.Column("exercise", sa.String(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("do", Json, nullable=False),
        sa.Column("srp", sa.String(), nullable=True),
        sa.Column("group", sa.String(), nullable=True),
        sa.Column("because", Json, nullable=False),
        sa.Column("late", sa.Boolean(), nullable=False),
        sa.Column("condition", sa.String(), nullable=False),
        sa.Column("momentary", sa.Boolean(), nullable=False),
        sa.Column("latched", sa.Boolean(), nullable=False),
        sa.Column("began_at", UtcTime(), nullable=False),
        sa.Column("opened_at", UtcTime(), nullable=False),
        sa.Column("heard_at", UtcTime(), nullable=False),
        sa.Column("cleared_at", UtcTime(), nullable=True),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("opening", sa.Integer(), nullable=False),
        sa.Column("previous", sa.Integer(), nullable=True),
        sa.Column("openings", Json, nullable=False),
        sa.Column("stale", sa.Boolean(), nullable=False),
        sa.Column("suppressed", sa.String(), nullable=True),
        sa.Column("acknowledged_by", sa.String(), nullable=True),
        sa.Column("acknowledged_at", UtcTime(), nullable=True),
        sa.Column("acknowledgers", Json, nullable=False),
        sa.Column("on_scene_by", sa.String(), nullable=True),
        sa.Column("on_scene_at", UtcTime(), nullable=True),
        sa.Column("closed_by", sa.String(), nullable=True),
        sa.Column("closed_at", UtcTime(), nullable=True),
        sa.Column("disposition", sa.String(), nullable=True),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("policy", Json, nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("first_generation", sa.Integer(), nullable=False),
        sa.Column("noticed_at", UtcTime(), nullable=True),
        sa.Column("next_step_at", UtcTime(), nullable=True),
        sa.Column("urgency", sa.String(), nullable=False),
        sa.Column("certainty", sa.String(), nullable=False),
        sa.Column("cap_status", sa.String(), nullable=False),
        sa.Column("msg_type", sa.String(), nullable=False),
        sa.Column("references", Json, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alerts")),
    )
    with op.batch_alter_table("alerts", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_alerts_campus_rule_key_id"), ["campus", "rule", "key", "id"], unique=False)
        batch_op.create_index(
            "ix_alerts_fresh",
            ["began_at"],
            unique=False,
            sqlite_where=sa.text("closed_at IS NULL AND condition = 'active' AND NOT stale"),
            postgresql_where=sa.text("closed_at IS NULL AND condition = 'active' AND NOT stale"),
        )
        batch_op.create_index(
            "ix_alerts_next_step_at",
            ["next_step_at"],
            unique=False,
            sqlite_where=sa.text("next_step_at IS NOT NULL"),
            postgresql_where=sa.text("next_step_at IS NOT NULL"),
        )
        batch_op.create_index(batch_op.f("ix_alerts_opened_at"), ["opened_at"], unique=False)
        batch_op.create_index(
            "uq_alerts_open",
            ["campus", "rule", "key"],
            unique=True,
            sqlite_where=sa.text("closed_at IS NULL"),
            postgresql_where=sa.text("closed_at IS NULL"),
        )
        batch_op.create_index(
            "uq_alerts_open_code",
            ["code"],
            unique=True,
            sqlite_where=sa.text("closed_at IS NULL"),
            postgresql_where=sa.text("closed_at IS NULL"),
        )

    op.create_table(
        "attention",
        sa.Column("campus", sa.String(), nullable=False),
        sa.Column("person", sa.String(), nullable=False),
        sa.Column("recent", Json, nullable=False),
        sa.Column("flood_since", UtcTime(), nullable=True),
        sa.PrimaryKeyConstraint("campus", "person", name=op.f("pk_attention")),
    )
    op.create_table(
        "audit",
        sa.Column("id", BigId, autoincrement=True, nullable=False),
        sa.Column("at", UtcTime(), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("action", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("previous", sa.String(), nullable=False),
        sa.Column("hash", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("audit", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_audit_at"), ["at"], unique=False)
        batch_op.create_index(batch_op.f("ix_audit_subject"), ["subject"], unique=False)

    op.create_table(
        "checks",
        sa.Column("id", BigId, autoincrement=True, nullable=False),
        sa.Column("campus", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("person", sa.String(), nullable=False),
        sa.Column("endpoint", sa.String(), nullable=False),
        sa.Column("at", UtcTime(), nullable=False),
        sa.Column("outcome", sa.String(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("answered_at", UtcTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_checks")),
        sa.UniqueConstraint(
            "campus", "kind", "person", "endpoint", "at", name=op.f("uq_checks_campus_kind_person_endpoint_at")
        ),
    )
    op.create_table(
        "deliveries",
        sa.Column("id", BigId, autoincrement=True, nullable=False),
        sa.Column("alert", sa.Integer(), nullable=False),
        sa.Column("campus", sa.String(), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("tier", sa.Integer(), nullable=False),
        sa.Column("person", sa.String(), nullable=False),
        sa.Column("endpoint", sa.String(), nullable=False),
        sa.Column("via", sa.String(), nullable=False),
        sa.Column("lane", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("until", sa.String(), nullable=False),
        sa.Column("msg_type", sa.String(), nullable=False),
        sa.Column("company", sa.String(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("due_at", UtcTime(), nullable=True),
        sa.Column("expires_at", UtcTime(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created_at", UtcTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deliveries")),
        sa.UniqueConstraint(
            "alert",
            "generation",
            "step",
            "person",
            "endpoint",
            name=op.f("uq_deliveries_alert_generation_step_person_endpoint"),
        ),
    )
    with op.batch_alter_table("deliveries", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_deliveries_alert"), ["alert"], unique=False)
        batch_op.create_index(batch_op.f("ix_deliveries_created_at"), ["created_at"], unique=False)
        batch_op.create_index(batch_op.f("ix_deliveries_lane_due_at"), ["lane", "due_at"], unique=False)

    op.create_table(
        "device_health",
        sa.Column("campus", sa.String(), nullable=False),
        sa.Column("device", sa.String(), nullable=False),
        sa.Column("last_seen", UtcTime(), nullable=False),
        sa.Column("messages", BigId, nullable=False),
        sa.Column("duplicates", BigId, nullable=False),
        sa.Column("late", BigId, nullable=False),
        sa.Column("skewed", BigId, nullable=False),
        sa.Column("lost", BigId, nullable=False),
        sa.Column("seq", BigId, nullable=True),
        sa.Column("boot", sa.String(), nullable=True),
        sa.Column("offsets", Json, nullable=False),
        sa.PrimaryKeyConstraint("campus", "device", name=op.f("pk_device_health")),
    )
    op.create_table(
        "endpoint_health",
        sa.Column("campus", sa.String(), nullable=False),
        sa.Column("person", sa.String(), nullable=False),
        sa.Column("endpoint", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("since", UtcTime(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("campus", "person", "endpoint", name=op.f("pk_endpoint_health")),
    )
    op.create_table(
        "engines",
        sa.Column("campus", sa.String(), nullable=False),
        sa.Column("exercise", sa.String(), nullable=False),
        sa.Column("watermark", UtcTime(), nullable=False),
        sa.Column("alive_at", UtcTime(), nullable=False),
        sa.Column("started", UtcTime(), nullable=False),
        sa.Column("since", UtcTime(), nullable=False),
        sa.Column("shapes", sa.Text(), nullable=False),
        sa.Column("beyond", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("campus", "exercise", name=op.f("pk_engines")),
    )
    op.create_table(
        "facts",
        sa.Column("campus", sa.String(), nullable=False),
        sa.Column("entity", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("level", sa.String(), nullable=True),
        sa.Column("heard_at", UtcTime(), nullable=True),
        sa.Column("data", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("campus", "entity", "id", name=op.f("pk_facts")),
    )
    with op.batch_alter_table("facts", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_facts_campus_entity_level"), ["campus", "entity", "level"], unique=False)

    op.create_table(
        "feed",
        sa.Column("id", BigId, autoincrement=True, nullable=False),
        sa.Column("campus", sa.String(), nullable=False),
        sa.Column("topic", sa.String(), nullable=False),
        sa.Column("at", UtcTime(), nullable=False),
        sa.Column("data", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_feed")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("feed", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_feed_at"), ["at"], unique=False)

    op.create_table(
        "hooks",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("secret", sa.String(), nullable=False),
        sa.Column("changed_at", UtcTime(), nullable=False),
        sa.Column("changed_by", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_hooks")),
    )
    op.create_table(
        "idempotency",
        sa.Column("caller", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("request", sa.String(), nullable=False),
        sa.Column("answer", sa.String(), nullable=True),
        sa.Column("at", UtcTime(), nullable=False),
        sa.PrimaryKeyConstraint("caller", "key", name=op.f("pk_idempotency")),
    )
    with op.batch_alter_table("idempotency", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_idempotency_at"), ["at"], unique=False)

    op.create_table(
        "link_tokens",
        sa.Column("hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("alert", sa.Integer(), nullable=False),
        sa.Column("person", sa.String(), nullable=False),
        sa.Column("endpoint", sa.String(), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("expires_at", UtcTime(), nullable=False),
        sa.Column("used_at", UtcTime(), nullable=True),
        sa.Column("opened_at", UtcTime(), nullable=True),
        sa.Column("check", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("hash", name=op.f("pk_link_tokens")),
    )
    with op.batch_alter_table("link_tokens", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_link_tokens_alert"), ["alert"], unique=False)
        batch_op.create_index(batch_op.f("ix_link_tokens_expires_at"), ["expires_at"], unique=False)

    op.create_table(
        "mappings",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("document", sa.Text(), nullable=True),
        sa.Column("created_at", UtcTime(), nullable=False),
        sa.Column("created_by", sa.String(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", "version", name=op.f("pk_mappings")),
    )
    with op.batch_alter_table("mappings", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_mappings_revision"), ["revision"], unique=False)

    op.create_table(
        "messages",
        sa.Column("id", BigId, autoincrement=True, nullable=False),
        sa.Column("campus", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("at", UtcTime(), nullable=False),
        sa.Column("received_at", UtcTime(), nullable=False),
        sa.Column("dedupe", sa.LargeBinary(length=16), nullable=True),
        sa.Column("data", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_messages")),
        sa.UniqueConstraint("dedupe", name=op.f("uq_messages_dedupe")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("messages", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_messages_campus_at"), ["campus", "at"], unique=False)
        batch_op.create_index(batch_op.f("ix_messages_campus_kind_at"), ["campus", "kind", "at"], unique=False)
        batch_op.create_index(
            batch_op.f("ix_messages_campus_kind_key_at"), ["campus", "kind", "key", "at"], unique=False
        )
        batch_op.create_index(batch_op.f("ix_messages_received_at"), ["received_at"], unique=False)

    op.create_table(
        "plans",
        sa.Column("campus", sa.String(), nullable=False),
        sa.Column("media_type", sa.String(), nullable=False),
        sa.Column("width", sa.Double(), nullable=False),
        sa.Column("height", sa.Double(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("changed_at", UtcTime(), nullable=False),
        sa.Column("changed_by", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("campus", name=op.f("pk_plans")),
    )
    op.create_table(
        "proposals",
        sa.Column("topic", sa.String(), nullable=False),
        sa.Column("heard_at", UtcTime(), nullable=False),
        sa.Column("data", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("topic", name=op.f("pk_proposals")),
    )
    op.create_table(
        "quarantine",
        sa.Column("id", BigId, autoincrement=True, nullable=False),
        sa.Column("campus", sa.String(), nullable=True),
        sa.Column("topic", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("retained", sa.Boolean(), nullable=False),
        sa.Column("trial_only", sa.Boolean(), nullable=False),
        sa.Column("received_at", UtcTime(), nullable=False),
        sa.Column("replayed_at", UtcTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_quarantine")),
    )
    with op.batch_alter_table("quarantine", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_quarantine_campus_received_at"), ["campus", "received_at"], unique=False)
        batch_op.create_index(batch_op.f("ix_quarantine_received_at"), ["received_at"], unique=False)

    op.create_table(
        "reference",
        sa.Column("campus", sa.String(), nullable=False),
        sa.Column("part", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("document", sa.Text(), nullable=True),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("changed_at", UtcTime(), nullable=False),
        sa.Column("changed_by", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("campus", "part", "id", name=op.f("pk_reference")),
    )
    with op.batch_alter_table("reference", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_reference_revision"), ["revision"], unique=False)

    op.create_table(
        "rule_facts",
        sa.Column("campus", sa.String(), nullable=False),
        sa.Column("exercise", sa.String(), nullable=False),
        sa.Column("entity", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("facts", sa.Text(), nullable=True),
        sa.Column("last", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("campus", "exercise", "entity", "id", name=op.f("pk_rule_facts")),
    )
    op.create_table(
        "rule_states",
        sa.Column("campus", sa.String(), nullable=False),
        sa.Column("exercise", sa.String(), nullable=False),
        sa.Column("rule", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("shape", sa.Text(), nullable=False),
        sa.Column("due_at", UtcTime(), nullable=True),
        sa.Column("firing", sa.Boolean(), nullable=False),
        sa.Column("data", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("campus", "exercise", "rule", "key", name=op.f("pk_rule_states")),
    )
    op.create_table(
        "rules",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("document", sa.Text(), nullable=True),
        sa.Column("mode", sa.String(), nullable=False),
        sa.Column("created_at", UtcTime(), nullable=False),
        sa.Column("created_by", sa.String(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", "version", name=op.f("pk_rules")),
    )
    with op.batch_alter_table("rules", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_rules_revision"), ["revision"], unique=False)

    op.create_table(
        "sessions",
        sa.Column("id", BigId, autoincrement=True, nullable=False),
        sa.Column("hash", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("owner", sa.Integer(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("address", sa.String(), nullable=False),
        sa.Column("created_at", UtcTime(), nullable=False),
        sa.Column("until", UtcTime(), nullable=False),
        sa.Column("ended_at", UtcTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sessions")),
        sa.UniqueConstraint("hash", name=op.f("uq_sessions_hash")),
    )
    with op.batch_alter_table("sessions", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_sessions_until"), ["until"], unique=False)

    op.create_table(
        "shadow_findings",
        sa.Column("id", BigId, autoincrement=True, nullable=False),
        sa.Column("campus", sa.String(), nullable=False),
        sa.Column("rule", sa.String(), nullable=False),
        sa.Column("rule_version", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("severity", sa.String(), nullable=False),
        sa.Column("at", UtcTime(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("because", Json, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_shadow_findings")),
    )
    with op.batch_alter_table("shadow_findings", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_shadow_findings_campus_rule_id"), ["campus", "rule", "id"], unique=False)

    op.create_table(
        "suppressions",
        sa.Column("id", BigId, autoincrement=True, nullable=False),
        sa.Column("campus", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("rules", Json, nullable=False),
        sa.Column("keys", Json, nullable=False),
        sa.Column("zones", Json, nullable=False),
        sa.Column("alert", sa.Integer(), nullable=True),
        sa.Column("author", sa.String(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("monitor", sa.String(), nullable=True),
        sa.Column("window", sa.String(), nullable=True),
        sa.Column("created_at", UtcTime(), nullable=False),
        sa.Column("starts_at", UtcTime(), nullable=False),
        sa.Column("ends_at", UtcTime(), nullable=False),
        sa.Column("seconded_by", sa.String(), nullable=True),
        sa.Column("seconded_at", UtcTime(), nullable=True),
        sa.Column("lifted_by", sa.String(), nullable=True),
        sa.Column("lifted_at", UtcTime(), nullable=True),
        sa.Column("next_at", UtcTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_suppressions")),
    )
    with op.batch_alter_table("suppressions", schema=None) as batch_op:
        batch_op.create_index(
            "ix_suppressions_next_at",
            ["next_at"],
            unique=False,
            sqlite_where=sa.text("next_at IS NOT NULL"),
            postgresql_where=sa.text("next_at IS NOT NULL"),
        )

    op.create_table(
        "tokens",
        sa.Column("id", BigId, autoincrement=True, nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("role", sa.String(), nullable=False),
        sa.Column("campuses", Json, nullable=True),
        sa.Column("hash", sa.String(), nullable=False),
        sa.Column("created_at", UtcTime(), nullable=False),
        sa.Column("expires_at", UtcTime(), nullable=True),
        sa.Column("last_used_at", UtcTime(), nullable=True),
        sa.Column("revoked_at", UtcTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tokens")),
        sa.UniqueConstraint("hash", name=op.f("uq_tokens_hash")),
    )
    op.create_table(
        "users",
        sa.Column("id", BigId, autoincrement=True, nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("role", sa.String(), nullable=False),
        sa.Column("campuses", Json, nullable=True),
        sa.Column("password", sa.String(), nullable=True),
        sa.Column("totp", sa.String(), nullable=True),
        sa.Column("totp_used", sa.Integer(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("created_at", UtcTime(), nullable=False),
        sa.Column("last_used_at", UtcTime(), nullable=True),
        sa.Column("disabled_at", UtcTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
        sa.UniqueConstraint("name", name=op.f("uq_users_name")),
    )
    op.create_table(
        "weekly_reports",
        sa.Column("id", BigId, autoincrement=True, nullable=False),
        sa.Column("campus", sa.String(), nullable=False),
        sa.Column("monday", sa.String(), nullable=False),
        sa.Column("due_at", UtcTime(), nullable=False),
        sa.Column("at", UtcTime(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_weekly_reports")),
        sa.UniqueConstraint("campus", "monday", name=op.f("uq_weekly_reports_campus_monday")),
    )
    op.create_table(
        "alert_events",
        sa.Column("id", BigId, autoincrement=True, nullable=False),
        sa.Column("alert", BigId, nullable=False),
        sa.Column("at", UtcTime(), nullable=False),
        sa.Column("event", sa.String(), nullable=False),
        sa.Column("who", sa.String(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("data", Json, nullable=False),
        sa.ForeignKeyConstraint(["alert"], ["alerts.id"], name=op.f("fk_alert_events_alert"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alert_events")),
    )
    with op.batch_alter_table("alert_events", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_alert_events_alert"), ["alert"], unique=False)
        batch_op.create_index(batch_op.f("ix_alert_events_at"), ["at"], unique=False)

    op.create_table(
        "alert_steps",
        sa.Column("id", BigId, autoincrement=True, nullable=False),
        sa.Column("alert", BigId, nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("repeat", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("due_at", UtcTime(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["alert"], ["alerts.id"], name=op.f("fk_alert_steps_alert"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alert_steps")),
    )
    with op.batch_alter_table("alert_steps", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_alert_steps_alert_state"), ["alert", "state"], unique=False)
        batch_op.create_index(
            "ix_alert_steps_waiting",
            ["due_at"],
            unique=False,
            sqlite_where=sa.text("state = 'waiting'"),
            postgresql_where=sa.text("state = 'waiting'"),
        )

    op.create_table(
        "attempts",
        sa.Column("id", BigId, autoincrement=True, nullable=False),
        sa.Column("delivery", BigId, nullable=False),
        sa.Column("at", UtcTime(), nullable=False),
        sa.Column("outcome", sa.String(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["delivery"], ["deliveries.id"], name=op.f("fk_attempts_delivery"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_attempts")),
    )
    with op.batch_alter_table("attempts", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_attempts_at"), ["at"], unique=False)
        batch_op.create_index(batch_op.f("ix_attempts_delivery"), ["delivery"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("attempts", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_attempts_delivery"))
        batch_op.drop_index(batch_op.f("ix_attempts_at"))

    op.drop_table("attempts")
    with op.batch_alter_table("alert_steps", schema=None) as batch_op:
        batch_op.drop_index(
            "ix_alert_steps_waiting",
            sqlite_where=sa.text("state = 'waiting'"),
            postgresql_where=sa.text("state = 'waiting'"),
        )
        batch_op.drop_index(batch_op.f("ix_alert_steps_alert_state"))

    op.drop_table("alert_steps")
    with op.batch_alter_table("alert_events", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_alert_events_at"))
        batch_op.drop_index(batch_op.f("ix_alert_events_alert"))

    op.drop_table("alert_events")
    op.drop_table("weekly_reports")
    op.drop_table("users")
    op.drop_table("tokens")
    with op.batch_alter_table("suppressions", schema=None) as batch_op:
        batch_op.drop_index(
            "ix_suppressions_next_at",
            sqlite_where=sa.text("next_at IS NOT NULL"),
            postgresql_where=sa.text("next_at IS NOT NULL"),
        )

    op.drop_table("suppressions")
    with op.batch_alter_table("shadow_findings", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_shadow_findings_campus_rule_id"))

    op.drop_table("shadow_findings")
    with op.batch_alter_table("sessions", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_sessions_until"))

    op.drop_table("sessions")
    with op.batch_alter_table("rules", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_rules_revision"))

    op.drop_table("rules")
    op.drop_table("rule_states")
    op.drop_table("rule_facts")
    with op.batch_alter_table("reference", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_reference_revision"))

    op.drop_table("reference")
    with op.batch_alter_table("quarantine", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_quarantine_received_at"))
        batch_op.drop_index(batch_op.f("ix_quarantine_campus_received_at"))

    op.drop_table("quarantine")
    op.drop_table("proposals")
    op.drop_table("plans")
    with op.batch_alter_table("messages", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_messages_received_at"))
        batch_op.drop_index(batch_op.f("ix_messages_campus_kind_key_at"))
        batch_op.drop_index(batch_op.f("ix_messages_campus_kind_at"))
        batch_op.drop_index(batch_op.f("ix_messages_campus_at"))

    op.drop_table("messages")
    with op.batch_alter_table("mappings", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_mappings_revision"))

    op.drop_table("mappings")
    with op.batch_alter_table("link_tokens", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_link_tokens_expires_at"))
        batch_op.drop_index(batch_op.f("ix_link_tokens_alert"))

    op.drop_table("link_tokens")
    with op.batch_alter_table("idempotency", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_idempotency_at"))

    op.drop_table("idempotency")
    op.drop_table("hooks")
    with op.batch_alter_table("feed", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_feed_at"))

    op.drop_table("feed")
    with op.batch_alter_table("facts", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_facts_campus_entity_level"))

    op.drop_table("facts")
    op.drop_table("engines")
    op.drop_table("endpoint_health")
    op.drop_table("device_health")
    with op.batch_alter_table("deliveries", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_deliveries_lane_due_at"))
        batch_op.drop_index(batch_op.f("ix_deliveries_created_at"))
        batch_op.drop_index(batch_op.f("ix_deliveries_alert"))

    op.drop_table("deliveries")
    op.drop_table("checks")
    with op.batch_alter_table("audit", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_audit_subject"))
        batch_op.drop_index(batch_op.f("ix_audit_at"))

    op.drop_table("audit")
    op.drop_table("attention")
    with op.batch_alter_table("alerts", schema=None) as batch_op:
        batch_op.drop_index(
            "uq_alerts_open_code",
            sqlite_where=sa.text("closed_at IS NULL"),
            postgresql_where=sa.text("closed_at IS NULL"),
        )
        batch_op.drop_index(
            "uq_alerts_open", sqlite_where=sa.text("closed_at IS NULL"), postgresql_where=sa.text("closed_at IS NULL")
        )
        batch_op.drop_index(batch_op.f("ix_alerts_opened_at"))
        batch_op.drop_index(
            "ix_alerts_next_step_at",
            sqlite_where=sa.text("next_step_at IS NOT NULL"),
            postgresql_where=sa.text("next_step_at IS NOT NULL"),
        )
        batch_op.drop_index(
            "ix_alerts_fresh",
            sqlite_where=sa.text("closed_at IS NULL AND condition = 'active' AND NOT stale"),
            postgresql_where=sa.text("closed_at IS NULL AND condition = 'active' AND NOT stale"),
        )
        batch_op.drop_index(batch_op.f("ix_alerts_campus_rule_key_id"))

    op.drop_table("alerts")
