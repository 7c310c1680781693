"""What the pages say is so: settings, commands, links, and what the units of systemd run."""

from __future__ import annotations

import configparser
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import typer

from app.cli import cli
from core.campus import read_duration
from core.settings import PREFIX, Settings

ROOT = Path(__file__).parents[3]
PAGES = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]
READABLE = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
OPERATIONS = (ROOT / "docs/operations.md").read_text("utf-8")


def settings_table() -> dict[str, str]:
    table = OPERATIONS[OPERATIONS.index("| setting | default | meaning |") :].split("\n\n")[0]
    return dict(re.findall(r"^\| `([A-Z_]+)` \| (.+?) \|", table, re.MULTILINE))


def test_every_setting_stands_in_the_table_in_its_order_and_none_that_is_not_there() -> None:
    assert [name.lower() for name in settings_table()] == list(Settings.model_fields)


@pytest.mark.parametrize("name", Settings.model_fields)
def test_the_table_has_the_default_of_the_setting(name: str) -> None:
    said, default = settings_table()[name.upper()], Settings.model_fields[name].default
    assert said == "none" if default is None else _value(said.strip("`"), default) == default


def _value(said: str, like: Any) -> Any:
    if isinstance(like, bool):
        return {"true": True, "false": False}[said]
    return read_duration(said) if isinstance(like, timedelta) else type(like)(said)


@READABLE
def test_every_setting_a_page_names_exists(page: Path) -> None:
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    known |= {f"{name}_FILE" for name in known} | {"HALLWATCH_SIMULATE_TOKEN"}
    named = set(re.findall(r"\bHALLWATCH_[A-Z_]*[A-Z]\b", page.read_text("utf-8")))
    assert named <= known


def commands() -> set[str]:
    """Return every command of `hallwatch`, those of its groups with their group's name."""
    root = typer.main.get_command(cli)
    found: set[str] = set()
    for name, command in root.commands.items():  # type: ignore[attr-defined]  # a group has commands
        inside = getattr(command, "commands", None)
        found |= {f"{name} {each}" for each in inside} if inside else {name}
    return found


@READABLE
def test_every_command_a_page_shows_exists(page: Path) -> None:
    text = page.read_text("utf-8")
    shown = re.findall(r"(?:^|[`/] ?|hallwatch )hallwatch ([a-z]+(?: [a-z]+)?)", text, re.MULTILINE)
    known = commands()
    unknown = [words for words in shown if words not in known and words.split()[0] not in known]
    assert unknown == []


@READABLE
def test_every_target_of_make_that_a_page_shows_exists(page: Path) -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    assert set(re.findall(r"`make ([a-z]+)", page.read_text("utf-8"))) <= targets


@READABLE
def test_every_link_to_a_file_or_heading_leads_somewhere(page: Path) -> None:
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text("utf-8")):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, heading = target.partition("#")
        file = page.parent / path if path else page
        if not file.exists() or (heading and heading not in headings(file)):
            broken.append(target)
    assert broken == []


def headings(page: Path) -> set[str]:
    titles = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("unit", ["hallwatch.service", "hallwatch-broker.service"])
def test_the_units_run_what_is_there_and_may_write_to_their_own_folder_only(unit: str) -> None:
    parser = configparser.RawConfigParser(strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # names keep their capitals
    parser.read(ROOT / "deploy/systemd" / unit)
    service = dict(parser["Service"])
    assert service["ProtectSystem"] == "strict"
    assert service["WorkingDirectory"] == f"/var/lib/{service['StateDirectory']}"
    assert service["User"] not in ("", "root")
    assert service["Restart"] == "always"


def test_the_record_of_changes_has_the_version_of_the_package() -> None:
    version = re.findall(r'^version = "(.+)"', (ROOT / "pyproject.toml").read_text("utf-8"), re.MULTILINE)[0]
    assert f"## [{version}]" in (ROOT / "CHANGELOG.md").read_text("utf-8")
