"""The files people write: which is what, are they right together, into the database and out again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, TypeVar

import yaml
from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncSession

from alerts import policies
from core import documents, registry
from core.campus import Campus, problems_of
from core.documents import Document
from core.errors import BadInput, Problem
from core.registry import Change
from core.vault import Vault
from ingest import hooks, mapping
from ingest import store as mappings
from ingest.mapping import Mapping
from rules import rule, store, trial
from rules.rule import Rule

WHAT_IS_WHAT = (
    "cannot tell what this is: a campus file has `campus:`, a rule has `key:`, a policy has `steps:`, "
    "a device mapping has `emit:`, a webhook's secret `hook:`"
)


T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Hook:
    """A webhook and its secret, as a file says them."""

    name: str
    secret: str = field(repr=False)


@dataclass
class Files:
    """What the files hold, sorted and read."""

    campuses: list[Campus] = field(default_factory=list)
    rules: list[Rule] = field(default_factory=list)
    mappings: list[Mapping] = field(default_factory=list)
    policies: list[policies.Policy] = field(default_factory=list)
    hooks: list[Hook] = field(default_factory=list)
    campus_documents: list[Document] = field(default_factory=list)
    """The campuses as they are written, in the same order."""
    sources: list[str] = field(default_factory=list)

    @property
    def summary(self) -> str:
        """What was read, in words."""
        counts = {
            "campus": len(self.campuses),
            "rule": len(self.rules),
            "mapping": len(self.mappings),
            "policy": len(self.policies),
            "webhook secret": len(self.hooks),
        }
        return ", ".join(f"{n} {name}{'' if n == 1 else _plural(name)}" for name, n in counts.items() if n) or "nothing"


def _plural(name: str) -> str:
    return {"campus": "es", "policy": " documents"}.get(name, "s")


def read(paths: Iterable[Path]) -> Files:
    """Return what the files and folders hold; BadInput with every problem, each with its file, line and field."""
    problems: list[Problem] = []
    sorted_: dict[str, list[Document]] = {"campus": [], "rule": [], "mapping": [], "policy": [], "hook": []}
    found = documents.files_under(paths)
    for path in found:
        try:
            members = [member for document in documents.read(path) for member in document.members()]
        except BadInput as bad:
            problems += bad.problems
            continue
        if not members:
            problems.append(Problem("is empty", file=str(path)))
        for member in members:
            kind = kind_of(member.data)
            if kind is None:
                problems += member.locate([Problem(WHAT_IS_WHAT)])
            else:
                sorted_[kind].append(member)
    files = Files(campus_documents=sorted_["campus"], sources=[str(path) for path in found])
    files.campuses = _collect(problems, lambda: read_campuses(sorted_["campus"]))
    files.rules = _collect(problems, lambda: rule.read_rules(sorted_["rule"]))
    files.mappings = _collect(problems, lambda: mapping.read_mappings(sorted_["mapping"]))
    files.policies = _collect(problems, lambda: list(policies.read_policies(sorted_["policy"]).values()))
    files.hooks = _collect(problems, lambda: [read_hook(each) for each in sorted_["hook"]])
    if problems:
        raise BadInput(problems)
    return files


def read_hook(document: Document) -> Hook:
    """Return the webhook that a document speaks of; BadInput where it holds anything else."""
    data = document.data
    if data.keys() != {"hook", "secret"} or not all(isinstance(value, str) and value for value in data.values()):
        raise BadInput(document.locate([Problem("a webhook has a `hook:`, its name, and a `secret:`; nothing else")]))
    return Hook(data["hook"], data["secret"])


def _collect(problems: list[Problem], reader: Callable[[], Sequence[T]]) -> list[T]:
    try:
        return list(reader())
    except BadInput as bad:
        problems += bad.problems
        return []


def kind_of(data: Any) -> str | None:
    """Return what a document is by the keys it has: campus, rule, mapping, policy or hook."""
    if not isinstance(data, dict):
        return None
    for key, kind in (
        ("campus", "campus"),
        ("emit", "mapping"),
        ("steps", "policy"),
        ("key", "rule"),
        ("hook", "hook"),
    ):
        if key in data:
            return kind
    return None


def read_campuses(found: Iterable[Document]) -> list[Campus]:
    """Return the campuses; BadInput names file, line and field of everything wrong, the policies inside included."""
    campuses: list[Campus] = []
    problems: list[Problem] = []
    for document in found:
        try:
            campus = Campus.model_validate(document.data)
            policies.read_policies([Document(list(campus.policies))])
            campuses.append(campus)
        except ValidationError as error:
            problems += document.locate(problems_of(error))
        except BadInput as bad:
            problems += document.locate([Problem(p.message, f"policies{p.where}") for p in bad.problems])
    if problems:
        raise BadInput(problems)
    return campuses


def prove(files: Files, *, allow_private: bool) -> list[Problem]:
    """Return what the rules' own tests, the mappings' own examples and a look at the endpoints find wrong."""
    problems = [problem for each in files.rules for problem in trial.run_tests(each)]
    problems += [problem for each in files.mappings for problem in mapping.run_examples(each)]
    return problems + wrong_endpoints(files, allow_private=allow_private)


def wrong_endpoints(files: Files, *, allow_private: bool) -> list[Problem]:
    """Return which endpoints notices could not be sent to, each with its file, line and field."""
    if not any(person.endpoints for campus in files.campuses for person in campus.people):
        return []
    from alerts import endpoints  # knows every service there is, which takes seconds to load

    return [
        problem
        for campus, document in zip(files.campuses, files.campus_documents, strict=True)
        for problem in document.locate(endpoints.problems_of(campus, allow_private=allow_private))
    ]


def not_stored(files: Files) -> list[str]:
    """Return what was checked and is read from elsewhere than the database, in words."""
    notes: list[str] = []
    if files.policies:
        notes.append(f"{len(files.policies)} policies were checked; to be used they stand in a campus file")
    return notes


async def load(
    session: AsyncSession, vault: Vault, files: Files, *, now: datetime, by: str, dry_run: bool = False
) -> list[Change]:
    """Make the database say what the files say; return what that changes."""
    changes: list[Change] = []
    for campus in files.campuses:
        changes += await registry.save(session, vault, campus, now=now, by=by, dry_run=dry_run)
    stored = {each.id: each for each in await store.load_rules(session)}
    for each in files.rules:
        before = stored.get(each.id)
        if before is not None and before.document == each.document:
            continue
        was = before.document if before else None
        changes.append(Change("changed" if before else "added", "rule", each.id, before=was, after=each.document))
        if not dry_run:
            await store.save_rule(session, each, now=now, by=by)
    changes += await mappings.save(session, files.mappings, now=now, by=by, dry_run=dry_run)
    for hook in files.hooks:
        kept = await hooks.secret_of(session, vault, hook.name)
        if kept == hook.secret:
            continue
        what: Literal["changed", "added"] = "added" if kept is None else "changed"
        changes.append(Change(what, "hook", hook.name, before={"secret": kept}, after={"secret": hook.secret}))
        if not dry_run:
            await hooks.keep(session, vault, hook.name, hook.secret, now=now, by=by)
    return changes


async def dump(session: AsyncSession, vault: Vault) -> dict[str, Any]:
    """Return campuses, rules, the site's mappings and the webhooks' secrets as files that `load` reads, by name."""
    campuses = await registry.load_all(session, vault)
    files: dict[str, Any] = {f"campus-{campus.id}.yaml": registry.to_plain(campus) for campus in campuses}
    files |= {f"rules/{each.id}.yaml": each.document for each in await store.load_rules(session)}
    # One file: the order of the mappings counts.
    own = [each.document for each in await mappings.stored(session)]
    files |= {"mappings.yaml": own} if own else {}
    secrets = [{"hook": row.name, "secret": vault.open(row.secret)} for row in await hooks.find(session)]
    return files | ({"webhooks.yaml": secrets} if secrets else {})


def write(folder: Path, files: dict[str, Any]) -> list[Path]:
    """Write the files of a dump into a folder; return their paths."""
    for name, plain in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        # A campus file holds endpoint URLs with their passwords: it is for its owner alone.
        path.chmod(0o600)
        path.write_text(yaml.safe_dump(plain, sort_keys=False, allow_unicode=True, width=120), "utf-8")
    return [folder / name for name in files]
