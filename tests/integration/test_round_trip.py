"""What is declared goes out as files and comes back the same, into another database too; twice changes nothing."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import yaml

from app import differences, documents
from core import registry
from core.campus import Campus
from core.database import Database
from core.errors import BadInput
from core.vault import Vault
from ingest import hooks, mapping
from ingest import store as mappings
from rules import rule, store
from tests.conftest import START

SECRET = "the-senders-signing-key-planted"


async def fill(database: Database, vault: Vault, campus: Campus) -> None:
    """Declare one of everything."""
    own = [each for each in mapping.shipped() if each.id.startswith("zigbee2mqtt")]
    async with database.transaction() as session:
        await registry.save(session, vault, campus, now=START, by="the test")
        north = Campus.model_validate({"campus": {"id": "north", "name": "Nörth", "timezone": "America/Denver"}})
        await registry.save(session, vault, north, now=START, by="the test")
        await store.seed(session, rule.shipped(), now=START, by="shipped")
        shadow = rule.read_rule({**rule.shipped()[0].document, "mode": "shadow"})
        await store.save_rule(session, shadow, now=START, by="the test")
        await mappings.save(session, own, now=START, by="the test")
        await hooks.keep(session, vault, "verkada", SECRET, now=START, by="the test")


async def dumped(database: Database, vault: Vault) -> dict[str, Any]:
    async with database.reading() as session:
        return await documents.dump(session, vault)


async def loaded(database: Database, vault: Vault, paths: Iterable[Path], *, dry_run: bool = False) -> list[str]:
    files = documents.read(paths)
    assert documents.prove(files, allow_private=True) == []
    async with database.transaction() as session:
        changes = await documents.load(session, vault, files, now=START, by="the test", dry_run=dry_run)
    return [differences.told(change) for change in changes]


async def test_everything_declared_goes_out_and_in(
    database: Database, vault: Vault, campus: Campus, tmp_path: Path
) -> None:
    await fill(database, vault, campus)
    before = await dumped(database, vault)
    assert {name.partition("/")[0] for name in before} == {
        "campus-lincoln.yaml",
        "campus-north.yaml",
        "rules",
        "mappings.yaml",
        "webhooks.yaml",
    }
    paths = documents.write(tmp_path / "out", before)
    assert all(path.stat().st_mode & 0o077 == 0 for path in paths), "they hold secrets"
    assert await loaded(database, vault, [tmp_path / "out"]) == []
    other = await _fresh(tmp_path)
    try:
        other_vault = Vault("another-key-" + "x7Kq2LmP9" * 5)
        dry = await loaded(other, other_vault, [tmp_path / "out"], dry_run=True)
        assert await dumped(other, other_vault) == {}, "a dry run writes nothing"
        assert await loaded(other, other_vault, [tmp_path / "out"]) == dry != []
        assert await dumped(other, other_vault) == before
        assert await loaded(other, other_vault, [tmp_path / "out"]) == []
        assert SECRET not in "".join(dry)
    finally:
        await other.close()


async def test_a_dry_run_tells_what_would_change_and_no_secret(
    database: Database, vault: Vault, campus: Campus, tmp_path: Path
) -> None:
    await fill(database, vault, campus)
    files = await dumped(database, vault)
    files["campus-lincoln.yaml"]["watch_list"][0]["name"] = "Somebody Else Planted"
    files["campus-lincoln.yaml"]["doors"][1]["name"] = "Gym, the east one"
    files["webhooks.yaml"][0]["secret"] = SECRET + "-2"
    documents.write(tmp_path / "out", files)
    said = await loaded(database, vault, [tmp_path / "out"], dry_run=True)
    assert said == [
        "~ doors gym-east\n    name: Gym east -> Gym, the east one",
        "~ watch_list w-17\n    name: (masked)",
        "~ hook verkada\n    secret: (masked)",
    ]
    assert await loaded(database, vault, [tmp_path / "out"], dry_run=True) == said


def test_a_webhook_that_is_none_is_refused_by_its_line(tmp_path: Path) -> None:
    path = tmp_path / "webhooks.yaml"
    path.write_text(yaml.safe_dump([{"hook": "verkada", "secret": SECRET, "colour": "red"}]))
    with pytest.raises(BadInput, match=r"webhooks\.yaml:1"):
        documents.read([path])


async def _fresh(folder: Path) -> Database:
    from app import migrate

    found = Database(f"sqlite:///{folder}/other.db")
    await migrate.upgrade(found)
    return found
