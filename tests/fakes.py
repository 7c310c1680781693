"""Fakes for the outer doors, and for those alone: where our words would leave the house."""

from __future__ import annotations

from dataclasses import dataclass, field

from alerts.channels import Channels, Outcome
from alerts.notices import Notice
from alerts.outbox import Lane
from core.errors import Problem


@dataclass(frozen=True)
class Push:
    """One word that would have gone out."""

    endpoint: str
    title: str
    body: str

    @property
    def text(self) -> str:
        return f"{self.title}\n{self.body}"


@dataclass
class FakePhone(Channels):
    """Stands where Apprise stands: keeps what it was told to send, and answers as it is told."""

    sent: list[Push] = field(default_factory=list)
    answers: dict[str, Outcome] = field(default_factory=dict)
    """What becomes of a send, by the last part of the endpoint's URL; accepted where nothing else is said."""

    def room(self, lane: Lane) -> int:
        return 100

    async def warm_up(self) -> None:
        return None

    def validate(self, url: str) -> list[Problem]:
        return []

    async def send(
        self,
        url: str,
        notice: Notice,
        *,
        lane: Lane,
        timeout: float = 0.0,  # noqa: ASYNC109 - as the real one
        quiet: bool = False,
    ) -> Outcome:
        endpoint = url.rpartition("/")[2]
        self.sent.append(Push(endpoint, notice.title, notice.body))
        return self.answers.get(endpoint, Outcome("accepted", ""))

    async def knock(self, url: str) -> Outcome:
        return self.answers.get(url.rpartition("/")[2], Outcome("accepted", ""))

    def close(self) -> None:
        return None
