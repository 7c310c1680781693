"""What each value of a rule's parameter would have cost, as a picture, a table and a sentence.

The values are round ones between the bounds, the present one among them, so that one pass over the past prices all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from api.rule_schemas import AlertMissed, BacktestShown, PriceShown
from core.campus import read_duration, write_duration

MOST: Final = 16
"""So many values are priced at once: what a picture can show."""
_SECONDS: Final = (
    *(1, 2, 3, 5, 10, 15, 20, 30, 45, 60, 90, 120, 180, 240, 300, 420, 600, 900, 1200, 1800, 2700),
    *(3600, 5400, 7200, 10800, 14400, 21600, 28800, 43200, 64800, 86400),
    *(86400 * days for days in (2, 3, 4, 5, 7, 10, 14, 21, 30, 60, 90, 180, 366)),
)
_WIDTH: Final = 720
_FLOOR: Final = 190
_HEIGHT: Final = 140


# --------------------------------------------------------------------------------------------------- the values
def stops(param: Mapping[str, Any]) -> list[Any]:
    """Return the values that a slider of a parameter stops at, as they are written; none where it has no order."""
    kind, default = param["type"], param["default"]
    if kind == "bool":
        return [False, True]
    if kind == "duration":
        now, lowest, highest = (_seconds(param.get(name)) for name in ("default", "min", "max"))
        assert now is not None
        found = _between(_SECONDS, now, lowest, highest)
        return [_as_written(each, default if each == now else None) for each in found]
    if kind == "int":
        return _between(_round_numbers(default, param.get("min"), param.get("max")), default, *_bounds(param))
    return []


def amount_of(value: Any) -> float | None:
    """Return a value as a number that can be compared: a length in seconds, a truth as 0 or 1; None for a word."""
    if isinstance(value, bool | int):
        return float(value)
    try:
        return read_duration(value).total_seconds()
    except ValueError:
        return None


def _seconds(value: Any) -> float | None:
    return None if value is None else read_duration(value).total_seconds()


def _as_written(seconds: float, written: Any) -> str:
    return str(written) if written is not None else write_duration(timedelta(seconds=seconds))


def _bounds(param: Mapping[str, Any]) -> tuple[Any, Any]:
    return param.get("min"), param.get("max")


def _between(values: Sequence[Any], now: Any, lowest: Any, highest: Any) -> list[Any]:
    low = min(now, now / 6 if lowest is None else lowest)
    high = max(now, now * 10 if highest is None else highest)
    ends = {each for each in (lowest, highest) if each is not None}
    inner = [each for each in values if low <= each <= high and each not in ends | {now}]
    room = MOST - len(ends | {now})
    if len(inner) > room:
        inner = [inner[round(place * (len(inner) - 1) / (room - 1))] for place in range(room)]
    return sorted({*inner, *ends, now})


def _round_numbers(now: int, lowest: int | None, highest: int | None) -> list[int]:
    low = min(now, 0 if lowest is None else lowest)
    high = max(now, 2 * now + 10 if highest is None else highest)
    step = 1
    for each in (step * 10**power for power in range(19) for step in (1, 2, 5)):
        step = each
        if (high - low) // step <= MOST:
            break
    return list(range(-(-low // step) * step, high + 1, step))


# --------------------------------------------------------------------------------------------------- the answer
@dataclass(frozen=True, slots=True)
class Bar:
    """One value: what it would have cost, and where it stands in the picture."""

    value: str
    amount: float
    alerts: int
    a_day: float
    missed: Sequence[AlertMissed]
    missed_count: int
    later: Sequence[AlertMissed]
    trouble: str
    is_now: bool
    words: str
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class PriceList:
    """What the values of one parameter would have cost, in their order."""

    param: str
    days: int
    real: int
    """How many alerts of the span people found to be real."""
    bars: Sequence[Bar]
    advice: str
    width: int = _WIDTH
    floor: int = _FLOOR


def listed(param: str, now: Any, answer: BacktestShown, real: int) -> PriceList:
    """Return a back-test as a page shows it; `now` is the value in force, `real` how many alerts were real."""
    days = max(1, round((answer.until - answer.since) / timedelta(days=1)))
    most = max((each.findings for each in answer.values), default=0) or 1
    room = _WIDTH / max(1, len(answer.values))
    bars = []
    for place, each in enumerate(answer.values):
        value = each.params[param]
        height = _HEIGHT * each.findings / most
        bars.append(
            Bar(
                value=written(value),
                amount=amount_of(value) or 0.0,
                alerts=each.findings,
                a_day=each.alerts_per_day,
                missed=each.missed_real,
                missed_count=each.missed_count,
                later=each.delayed_real,
                trouble=each.trouble,
                is_now=amount_of(value) == amount_of(now),
                words=_in_words(value, each, real, days),
                x=round(room * place, 2),
                y=round(_FLOOR - height, 2),
                width=round(room, 2),
                height=round(height, 2),
            )
        )
    return PriceList(param, days, real, bars, _advice(bars, real))


def written(value: Any) -> str:
    """Return a value as one types it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _in_words(value: Any, price: PriceShown, real: int, days: int) -> str:
    count = f"{price.findings} alert{'' if price.findings == 1 else 's'} in {days} days"
    return f"{written(value)}: {count}, {_lost(price.missed_count, real)}"


def _lost(missed: int, real: int) -> str:
    return f"{missed} of {real} real ones lost" if real else "none was found to be real"


def _advice(bars: Sequence[Bar], real: int) -> str:
    """Return the value that would have called least and lost nothing real; a suggestion, for a person to weigh."""
    now = next((each for each in bars if each.is_now), None)
    if now is None or not real:
        return ""
    safe = [each for each in bars if not each.missed_count and not each.later and each.alerts < now.alerts]
    if not safe:
        return ""
    best = min(safe, key=lambda each: (each.alerts, abs(each.amount - now.amount)))
    kept = "the one real alert" if real == 1 else f"all {real} real alerts"
    return f"{best.value} would have called {best.alerts} times instead of {now.alerts}, with {kept} just as early."
