"""The command `hallwatch`. Each command is thin: it reads its words, calls one room, prints, and picks the status.

Exit status 0: done; 1: it ran and something failed or fell short; 2: bad usage or bad input, one line a problem.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated, Any, cast

import typer
from rich.console import Console
from rich.table import Table

from core import log
from core.clock import SystemClock
from core.errors import BadInput, HallwatchError, Problem
from core.settings import Settings
from core.settings import load as load_settings

cli = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Hallwatch watches a school campus and tells the right people in time.",
    epilog="Settings come from HALLWATCH_* or hallwatch.toml; see docs/operations.md.",
)
db = typer.Typer(no_args_is_help=True, help="The database.")
token = typer.Typer(no_args_is_help=True, help="Tokens for programs and first sign-ins.")
user = typer.Typer(no_args_is_help=True, help="People who sign in with a name.")
audit = typer.Typer(no_args_is_help=True, help="The record of who did what.")
cli.add_typer(db, name="db")
cli.add_typer(token, name="token")
cli.add_typer(user, name="user")
cli.add_typer(audit, name="audit")
BadUsage = cast("type[typer.BadParameter]", typer.BadParameter.__bases__[0])
"""Any wrong use of the command line; typer has no public name for it."""
out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)

Paths = Annotated[list[Path], typer.Argument(help="Files or folders (YAML or JSON).", metavar="PATH…")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]


def main() -> None:
    """Run the command line; every error of ours becomes lines on stderr and an exit status, never a traceback."""
    try:
        status = cli(prog_name="hallwatch", standalone_mode=False)
    except BadUsage as wrong:
        _tell_usage(wrong)
        sys.exit(wrong.exit_code)
    except BadInput as bad:
        for problem in bad.problems:
            print(problem, file=sys.stderr)
        sys.exit(2)
    except HallwatchError as error:
        print(f"{error.title}: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
    except typer.Abort:
        sys.exit(1)
    except BrokenPipeError:
        sys.exit(0)
    sys.exit(status if isinstance(status, int) else 0)


def _tell_usage(wrong: typer.BadParameter) -> None:
    said = wrong.format_message()
    command = wrong.ctx.command_path if wrong.ctx else "hallwatch"
    if len(said.splitlines()) > 1:
        # No word at all is no mistake: it asks what there is.
        print(said, file=sys.stderr)
    else:
        print(f"{command}: {said.rstrip('.')}; see {command} --help", file=sys.stderr)


def _run(work: Coroutine[Any, Any, int]) -> None:
    raise typer.Exit(asyncio.run(work))


def _settings(**overrides: Any) -> Settings:
    settings = load_settings(**overrides)
    log.configure(settings.log_level)
    return settings


@cli.command()
def demo(
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port of the API and the console.")] = 8080,
    speed: Annotated[float, typer.Option(min=0.1, max=100, help="How many times faster the campus lives.")] = 1.0,
    folder: Annotated[
        Path | None, typer.Option("--dir", help="Keep the data here (default: a temporary folder).")
    ] = None,
) -> None:
    """Run the whole service with its own broker, database, a simulated campus and a stand-in phone."""
    from app.demo import run

    log.configure("warning")
    _run(run(port=port, speed=speed, folder=folder, out=out))


@cli.command()
def serve(
    only: Annotated[
        list[str] | None, typer.Option("--only", metavar="ROLE", help="ingest, courier or api; may be repeated.")
    ] = None,
) -> None:
    """Run the service: listen, judge, tell, show. The database is migrated first; SIGTERM ends it cleanly."""
    settings = _settings()
    settings.require_secret()
    # Nothing that a start makes is garbage, and looking for it takes a seventh of the start: see `app.loops.run`.
    gc.disable()
    from app.loops import ROLES, run

    wrong = [role for role in only or () if role not in ROLES]
    if wrong:
        raise BadInput([Problem(f"no role {wrong[0]!r}; there are {', '.join(ROLES)}", where="--only")])
    _run(run(settings, frozenset(only or ROLES)))


@cli.command()
def check(paths: Paths, as_json: AsJson = False) -> None:
    """Check campus, rule, policy and mapping files, and run the tests and examples inside them."""
    from app import documents, lint

    problems: list[Problem] = []
    warnings: list[Problem] = []
    summary = ""
    try:
        files = documents.read(paths)
        # Which addresses are private is the service's matter: `load` and every send look at it where it runs.
        problems, summary = documents.prove(files, allow_private=True), files.summary
        warnings = lint.warnings(files, SystemClock().now())
    except BadInput as bad:
        problems = list(bad.problems)
    if as_json:
        found = [("error", each) for each in problems] + [("warning", each) for each in warnings]
        print(json.dumps({"ok": not problems, "problems": [_plain(kind, each) for kind, each in found]}, indent=2))
        raise typer.Exit(2 if problems else 0)
    for each in warnings:
        err.print(f"[yellow]warning[/yellow] {each}", markup=True)
    if problems:
        raise BadInput(problems)
    out.print(f"fine: {summary}")


def _plain(kind: str, problem: Problem) -> dict[str, Any]:
    return {
        "kind": kind,
        "file": problem.file,
        "line": problem.line,
        "field": problem.where,
        "message": problem.message,
    }


@cli.command()
def load(
    paths: Paths, dry_run: Annotated[bool, typer.Option("--dry-run", help="Only print the difference.")] = False
) -> None:
    """Make the database say what the files say, and print what that changes. Loading twice changes nothing."""
    from app import differences, documents
    from app.store import opened

    files = documents.read(paths)
    settings = _settings()
    problems = documents.prove(files, allow_private=settings.allow_private_endpoints)
    if problems:
        raise BadInput(problems)

    async def work() -> int:
        async with opened(settings) as store, store.database.transaction() as session:
            changes = await documents.load(
                session, store.vault, files, now=store.clock.now(), by="command line", dry_run=dry_run
            )
        for change in changes:
            print(differences.told(change))
        print(f"{len(changes)} changes{' would be made' if dry_run else ''}" if changes else "nothing to change")
        for note in documents.not_stored(files):
            print(f"note: {note}", file=sys.stderr)
        return 0

    _run(work())


@cli.command()
def dump(folder: Annotated[Path, typer.Argument(help="The folder to write to.", metavar="DIR")]) -> None:
    """Write what the database says as files that `load` reads. They hold endpoint URLs: keep them private."""
    from app import documents
    from app.store import opened

    async def work() -> int:
        async with opened(_settings()) as store, store.database.reading() as session:
            files = await documents.dump(session, store.vault)
        for path in documents.write(folder, files):
            print(path)
        return 0

    _run(work())


@cli.command()
def replay(
    messages: Annotated[
        Path, typer.Argument(help="Recorded messages, one JSON object a line.", metavar="MESSAGES.jsonl")
    ],
    campus: Annotated[Path, typer.Option(help="The campus file.", metavar="FILE")],
    rules: Annotated[
        list[Path] | None,
        typer.Option(help="Rule files or folders; without them the shipped protocols.", metavar="PATH"),
    ] = None,
    alerts: Annotated[bool, typer.Option("--alerts", help="Print what alerts and notices would come of it.")] = False,
    as_json: AsJson = False,
) -> None:
    """Run recorded messages through the live engine, without a database or a broker, and print what it finds."""
    from app import rehearsal

    raise typer.Exit(rehearsal.run(messages, campus, rules or [], alerts=alerts, as_json=as_json))


@cli.command()
def backtest(
    rule: Annotated[str, typer.Argument(help="The id of a rule, or a file with a draft of one.", metavar="RULE")],
    since: Annotated[
        str | None, typer.Option(help="From when on: 2026-11-01T00:00, or so long ago, 7d (default: 30d).", metavar="T")
    ] = None,
    until: Annotated[str | None, typer.Option(help="Until when (default: now).", metavar="T")] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="Another value for a parameter.", metavar="P=V")
    ] = None,
    sweep: Annotated[
        list[str] | None, typer.Option(help="Several values, priced in one pass.", metavar="P=V,V,…")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say what other values of a rule's parameters would have cost, and which real alerts they would have missed."""
    from app import backtest as pricing
    from app.store import opened
    from rules.aside import NICENESS

    question = pricing.Question(rule, since, until, settings or (), sweep or ())
    os.nice(NICENESS)  # it may run beside the service, which must not notice

    async def work() -> int:
        async with opened(_settings()) as store:
            return await pricing.run(store, question, out, err, as_json=as_json)

    _run(work())


@cli.command()
def simulate(
    scenario: Annotated[
        str, typer.Argument(help="A scenario file, or the name of one that ships.", metavar="SCENARIO")
    ],
    broker: Annotated[str | None, typer.Option(help="The broker (default: HALLWATCH_MQTT_URL).", metavar="URL")] = None,
    speed: Annotated[float, typer.Option(min=0.0, help="Times real time; 0: as fast as possible.")] = 1.0,
    seed: Annotated[int | None, typer.Option(help="The same seed gives the same bytes.")] = None,
    fault: Annotated[
        list[str] | None,
        typer.Option("--fault", help="Like duplicate=0.1, or `default` for an ordinary network.", metavar="KIND=RATE"),
    ] = None,
    given: Annotated[
        list[str] | None, typer.Option("--set", help="A value for a parameter of the scenario.", metavar="NAME=VALUE")
    ] = None,
    drill: Annotated[bool, typer.Option("--drill", help="A drill: people are told, marked as a drill.")] = False,
    live: Annotated[bool, typer.Option("--live", help="Speak as real devices do: people will be told.")] = False,
    dialect: Annotated[
        str, typer.Option(help="What contacts speak: own, zigbee2mqtt, tasmota, shelly or esphome.", metavar="NAME")
    ] = "own",
    expect: Annotated[bool, typer.Option("--expect", help="Ask the API whether the expected alerts came.")] = False,
    as_json: AsJson = False,
    junit: Annotated[Path | None, typer.Option(help="Write what came of it as JUnit XML.", metavar="FILE")] = None,
    record: Annotated[Path | None, typer.Option(help="Write it for `replay` instead.", metavar="FILE")] = None,
    truth: Annotated[Path | None, typer.Option(help="Write what really happens instead.", metavar="FILE")] = None,
    campuses: Annotated[
        Path | None, typer.Option(help="Write the campus files instead that the service must know.", metavar="DIR")
    ] = None,
    load: Annotated[
        float | None, typer.Option(min=0.1, help="Load mode: so many messages a second of its campus.", metavar="RATE")
    ] = None,
    seconds: Annotated[float, typer.Option("--for", min=1, help="Load mode: for so many seconds.")] = 30.0,
    doors: Annotated[int | None, typer.Option(min=1, help="Load mode: of so many doors (default: all).")] = None,
    picture: Annotated[
        Path | None, typer.Option(help="Load mode: draw latency over time (SVG).", metavar="FILE")
    ] = None,
    api: Annotated[str, typer.Option(help="The API that --expect asks.", metavar="URL")] = "http://127.0.0.1:8080",
    api_token: Annotated[
        str,
        typer.Option("--token", envvar="HALLWATCH_SIMULATE_TOKEN", help="A token for --expect.", show_default=False),
    ] = "",
) -> None:
    """Publish a scenario over MQTT, as devices would, and show how far it is."""
    from app import simulation

    if live and drill:
        raise BadInput([Problem("either live or a drill", where="--drill")])
    settings = _settings()
    order = simulation.Order(
        scenario=scenario,
        broker=broker or settings.mqtt_url,
        prefix=settings.mqtt_prefix,
        speed=speed,
        seed=seed,
        faults=tuple(fault or ()),
        given=tuple(given or ()),
        exercise="live" if live else "drill" if drill else "test",
        dialect=dialect,
        record=record,
        truth=truth,
        campuses=campuses,
        expect=simulation.Expect(api, api_token) if expect else None,
        as_json=as_json,
        junit=junit,
    )
    if load is not None:
        _run(simulation.press(order, rate=load, seconds=seconds, doors=doors, picture=picture, out=err))
    else:
        _run(simulation.run(order, out=err))


@cli.command()
def doctor() -> None:
    """Look at broker, database, clock, endpoints and disk: what works, what does not, what to do."""
    from app.doctor import examine

    async def work() -> int:
        table = Table("part", "", "what", box=None, pad_edge=False)
        found = await examine(_settings())
        for each in found:
            table.add_row(each.part, "[green]ok[/green]" if each.ok else "[red]FAILS[/red]", each.words)
        out.print(table)
        return 0 if all(each.ok for each in found) else 1

    _run(work())


@db.command("upgrade")
def db_upgrade() -> None:
    """Bring the database to the tables of this version."""
    from app import migrate
    from core.database import Database

    async def work() -> int:
        database = Database(_settings().database_url)
        try:
            before = await migrate.current(database)
            await migrate.upgrade(database)
        finally:
            await database.close()
        newest = migrate.newest()
        print(f"at revision {newest}" + (" already" if before == newest else f", was {before or 'empty'}"))
        return 0

    _run(work())


Campuses = Annotated[
    list[str] | None, typer.Option("--campus", help="Only for this campus; may be repeated.", metavar="ID")
]


@token.command("create")
def token_create(
    name: Annotated[str, typer.Option(help="Who or what will use it.")],
    role: Annotated[str, typer.Option(help="viewer, sro, admin, device or tester.")],
    campus: Campuses = None,
    expires: Annotated[
        str | None, typer.Option(help="When it ends: 30d, or 2027-06-30T00:00:00Z.", metavar="T")
    ] = None,
) -> None:
    """Make a token and print it, alone; it is stored only as a hash and never shown again."""
    from app import people
    from app.store import opened

    async def work() -> int:
        async with opened(_settings(), secret=False) as store:
            print(await people.make_token(store, name=name, role=role, campuses=campus, expires=expires))
        return 0

    _run(work())


@user.command("add")
def user_add(
    name: Annotated[str, typer.Option(help="What they sign in with; for the provider, their e-mail address.")],
    role: Annotated[str, typer.Option(help="viewer, sro, admin or tester.")],
    campus: Campuses = None,
    no_password: Annotated[
        bool, typer.Option("--no-password", help="They sign in at the provider of OIDC_ISSUER alone.")
    ] = False,
) -> None:
    """Make a user. The password is asked for, or read as the first line of standard input."""
    from app import people
    from app.store import opened

    password = None if no_password else people.read_password()

    async def work() -> int:
        async with opened(_settings(), secret=False) as store:
            print(await people.add_user(store, name=name, role=role, password=password, campuses=campus))
        return 0

    _run(work())


@user.command("list")
def user_list() -> None:
    """Print the users."""
    from app import people
    from app.store import opened

    async def work() -> int:
        async with opened(_settings(), secret=False) as store:
            for line in await people.lines(store):
                print(line)
        return 0

    _run(work())


@user.command("password")
def user_password(name: Annotated[str, typer.Argument(help="The user.", metavar="NAME")]) -> None:
    """Give a user another password, read like that of `user add`. Their sign-ins end, and their phone is forgotten."""
    from app import people
    from app.store import opened

    password = people.read_password()

    async def work() -> int:
        async with opened(_settings(), secret=False) as store:
            print(await people.reset(store, name, password))
        return 0

    _run(work())


@user.command("disable")
def user_disable(name: Annotated[str, typer.Argument(help="The user.", metavar="NAME")]) -> None:
    """Switch a user off; their sign-ins end. The record of who did what still names them."""
    from app import people
    from app.store import opened

    async def work() -> int:
        async with opened(_settings(), secret=False) as store:
            print(await people.disable(store, name))
        return 0

    _run(work())


@audit.command("verify")
def audit_verify() -> None:
    """Walk the audit chain; name the first row that was changed or taken out."""
    from app.store import opened
    from core import audit as record

    async def work() -> int:
        async with opened(_settings(), secret=False) as store, store.database.reading() as session:
            broken = await record.verify(session)
        print("the chain is whole" if broken is None else f"row {broken} does not fit the chain")
        return 0 if broken is None else 1

    _run(work())


@cli.command()
def schema(
    what: Annotated[str, typer.Argument(help="rule, campus, policy, mapping, message or scenario.", metavar="WHAT")],
) -> None:
    """Print the JSON Schema of a kind of document."""
    from app.schemas import SCHEMAS

    if what not in SCHEMAS:
        raise BadInput([Problem(f"no schema {what!r}; there are {', '.join(SCHEMAS)}")])
    print(json.dumps(SCHEMAS[what](), indent=2, ensure_ascii=False))
