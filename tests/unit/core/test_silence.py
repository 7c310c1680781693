"""Which devices are silent: what is kept up is what counting anew would give, whatever the order of questions."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from core.campus import Campus
from core.facts import DeviceFacts, Facts
from core.silence import MISSED_BEATS, Silence

START = datetime(2026, 11, 24, 12, tzinfo=UTC)
CAMPUS = Campus.model_validate(
    {
        "campus": {"id": "lab", "name": "Lab", "timezone": "UTC"},
        "devices": [{"id": "a", "heartbeat": "10m"}, {"id": "b", "heartbeat": "1h"}, {"id": "c"}],
    }
)


def minute(number: int) -> datetime:
    return START + timedelta(minutes=number)


def counted(facts: dict[str, Facts], at: datetime, since: datetime) -> set[str]:
    found = set()
    for device in CAMPUS.devices_by_id.values():
        told = facts.get(device.id)
        heard = max(told.heard_at or since, since) if told else since
        offline = isinstance(told, DeviceFacts) and told.online is False
        missed = device.heartbeat is not None and at - heard > device.heartbeat * MISSED_BEATS
        if offline or missed:
            found.add(device.id)
    return found


_word = st.tuples(st.sampled_from("abcx"), st.integers(0, 400), st.sampled_from([None, True, False]))
_question = st.tuples(st.integers(0, 600), st.sampled_from([0, 0, 0, 90]))


@settings(max_examples=300, deadline=None)
@given(st.lists(_word | _question, max_size=30))
def test_it_is_what_counting_anew_gives(steps: list[tuple[str, int, bool | None] | tuple[int, int]]) -> None:
    silence, facts = Silence(), dict[str, Facts]()
    for step in steps:
        if len(step) == 3:
            device, heard, online = step
            facts[device] = DeviceFacts(id=device, heard_at=minute(heard), online=online)
            silence.heard(device)
        else:
            at, since = minute(step[0]), minute(step[1])
            assert silence.at(at, CAMPUS, facts, since=since) == counted(facts, at, since)


class Asked(dict[str, Facts]):
    """Facts that count how often somebody asks for them."""

    times = 0

    def get(self, key: str, default: Facts | None = None) -> Facts | None:  # type: ignore[override]
        self.times += 1
        return super().get(key, default)


def test_late_news_asks_no_device_again() -> None:
    silence, facts = Silence(), Asked()
    for at in (9, 3, 7, 2, 8):
        assert silence.at(minute(at), CAMPUS, facts, since=START) == set()
    assert facts.times == len(CAMPUS.devices_by_id)
