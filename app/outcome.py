"""What came of a simulated scenario, for people and for programs: a table, JSON, JUnit XML."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from html import escape
from typing import Any, Final

from rich.table import Table

from simulators.play import record
from simulators.scenarios import Scenario
from simulators.utterance import Utterance, write_instant
from simulators.verdict import Met, Observed, Verdict, Wanted

COLOURS: Final = {"ok": "green", "late": "yellow", "missing": "red", "unexpected": "red", "untold": "red"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """A verdict on one run of a scenario, and the message at which it first went another way."""

    scenario: str
    started: datetime
    verdict: Verdict
    diverging: str | None = None
    undone: tuple[str, ...] = ()
    """What the people of the scenario could not do, and why."""
    seconds: float = 0.0

    @property
    def passed(self) -> bool:
        """Whether everything came in time, and nothing else, and everybody could do their part."""
        return self.verdict.passed and not self.undone

    def rows(self) -> Iterator[tuple[str, Wanted | None, Observed | None, str]]:
        """Yield how it went, what was expected, what was seen, and a word about it."""
        for met in self.verdict.met:
            yield ("untold" if met.untold else "ok", met.wanted, met.seen, _untold(met))
        for met in self.verdict.late:
            behind = (met.seen.at - met.wanted.at).total_seconds()
            yield "late", met.wanted, met.seen, f"{behind:.1f} s late"
        for wanted in self.verdict.missed:
            yield "missing", wanted, None, ""
        for seen in self.verdict.unwanted:
            yield "unexpected", None, seen, ""

    def table(self) -> Table:
        """Return it as a person reads it."""
        table = Table("", "rule", "key", "state", "expected", "seen", "", box=None, pad_edge=False)
        for word, wanted, seen, note in self.rows():
            about = seen or (wanted and wanted.expectation)
            assert about
            expected = f"{_clock(wanted.at)} ± {wanted.expectation.within.total_seconds():g} s" if wanted else "-"
            colour = COLOURS[word]
            when = _clock(seen.at) if seen else "-"
            table.add_row(f"[{colour}]{word}[/{colour}]", about.rule, about.key, about.state, expected, when, note)
        return table

    def summary(self) -> str:
        """Return it in one line."""
        counts: dict[str, int] = {}
        for word, *_ in self.rows():
            counts[word] = counts.get(word, 0) + 1
        told = ", ".join(f"{counts.get(word, 0)} {word}" for word in COLOURS)
        told += f", {len(self.undone)} not done" if self.undone else ""
        return f"{'passed' if self.passed else 'FELL SHORT'}: {told}"

    def plain(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            "scenario": self.scenario,
            "started": write_instant(self.started),
            "passed": self.passed,
            "seconds": round(self.seconds, 3),
            "results": [_row(*row) for row in self.rows()],
            "first_diverging": self.diverging,
            "not_done": list(self.undone),
        }

    def junit(self) -> str:
        """Return it as JUnit XML: one case for each expectation, and one for each thing nobody expected."""
        cases = [_case(self.scenario, *row) for row in self.rows()]
        cases += [_undone_case(self.scenario, each) for each in self.undone]
        cases = cases or [f'  <testcase classname="{escape(self.scenario)}" name="nothing unexpected"/>']
        failed = sum(word != "ok" for word, *_ in self.rows()) + len(self.undone)
        about = f'name="{escape(self.scenario)}" tests="{len(cases)}" failures="{failed}" time="{self.seconds:.3f}"'
        said = f"  <system-out>{escape(self.diverging)}</system-out>\n" if self.diverging else ""
        body = "\n".join(cases)
        return f'<?xml version="1.0" encoding="UTF-8"?>\n<testsuite {about}>\n{body}\n{said}</testsuite>\n'


def _untold(met: Met) -> str:
    return f"not told: {', '.join(met.untold)}" if met.untold else ""


def _row(word: str, wanted: Wanted | None, seen: Observed | None, note: str) -> dict[str, Any]:
    about = seen or (wanted and wanted.expectation)
    assert about
    return {
        "result": word,
        "rule": about.rule,
        "key": about.key,
        "state": about.state,
        "expected": write_instant(wanted.at) if wanted else None,
        "seen": write_instant(seen.at) if seen else None,
        "note": note or None,
    }


def _case(scenario: str, word: str, wanted: Wanted | None, seen: Observed | None, note: str) -> str:
    name = str(wanted or seen)
    head = f'  <testcase classname="{escape(scenario)}" name="{escape(name)}"'
    if word == "ok":
        return f"{head}/>"
    why = note or {"missing": "never came", "unexpected": "nobody expected it"}[word]
    failure = f'<failure type="{word}" message="{escape(why)}">{escape(str(seen or ""))}</failure>'
    return f"{head}>\n    {failure}\n  </testcase>"


def _undone_case(scenario: str, words: str) -> str:
    head = f'  <testcase classname="{escape(scenario)}" name="{escape(words)}"'
    return f'{head}>\n    <failure type="not done" message="{escape(words)}"/>\n  </testcase>'


def diverging(scenario: Scenario, verdict: Verdict, stream: Iterator[Utterance], started: datetime) -> str | None:
    """Return the last message about the thing that went wrong first, before it did; None: nothing went wrong."""
    trouble = verdict.first_trouble()
    if trouble is None:
        return None
    at, key = trouble
    until = at - (started - scenario.start)
    last: Utterance | None = None
    for each in stream:
        if each.sent_at > until:
            break
        if last is None or _is_about(each, key) or not _is_about(last, key):
            last = each
    return None if last is None else next(record([last], exercise="live")).decode("utf-8", "replace").strip()


def _is_about(each: Utterance, key: str) -> bool:
    said = each.payload if isinstance(each.payload, dict) else {}
    return each.topic.endswith(f"/{key}") or said.get("visit") == key or f"/{key}/" in each.topic


def _clock(at: datetime) -> str:
    return f"{at:%H:%M:%S}"
