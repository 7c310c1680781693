"""What a benchmark says on `docs/benchmarks.md`: a section with its tables and pictures, and the targets it holds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Target:
    """A figure that was promised, and what was measured."""

    promised: str
    """In words, the limit included: `restore of 100,000 keys and 20,000 timers under 5 s`."""
    measured: str
    held: bool
    why: str = ""
    """Where it is missed: what the time or the memory went into."""

    def __str__(self) -> str:
        return f"| {self.promised} | {self.measured} | {'held' if self.held else f'**missed** {self.why}'.strip()} |"


@dataclass(slots=True)
class Section:
    """One benchmark's part of the page."""

    title: str
    about: str
    """What is measured, in what unit, beside what."""
    commands: Sequence[str]
    """How to measure just this again."""
    body: list[str] = field(default_factory=list)
    """Lines of Markdown: tables, pictures, remarks."""
    targets: list[Target] = field(default_factory=list)

    def table(self, head: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        """Add a table; numbers are written as they come."""
        lines = ["| " + " | ".join(str(each) for each in row) + " |" for row in (head, *rows)]
        self.body += [lines[0], "|---" * len(head) + "|", *lines[1:], ""]

    def say(self, text: str) -> None:
        """Add a paragraph."""
        self.body += [text, ""]

    def picture(self, name: str, alt: str) -> None:
        """Show a picture that `benchmarks.picture` has drawn."""
        self.body += [f"![{alt}](images/benchmarks/{name}.svg)", ""]

    @property
    def lines(self) -> list[str]:
        """The section as Markdown."""
        commands = ["```", *self.commands, "```", ""]
        return [f"## {self.title}", "", self.about, "", *commands, *self.body]
