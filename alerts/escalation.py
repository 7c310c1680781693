"""Telling people, step by step, until somebody answers: what begins with an opening and goes on by the clock.

Recipients are worked out when a step's time comes, from who is on duty then. A step that reaches nobody gives way to
the next one at once, and the gap is an alert of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final, cast

from msgspec.structs import replace

from alerts import policies
from alerts.alert import (
    CHATTER,
    CHATTER_SPAN,
    SERVICE,
    Alert,
    closed_by_itself,
    closes_by_itself,
    is_chattering,
    lapsed,
    opened,
    repeated,
    suppressed,
)
from alerts.book import Book, Entry, gap_at
from alerts.duty import Recipient, shift_end
from alerts.notices import duration, name_of
from alerts.outbox import NoticeKind
from alerts.policies import Kind, Planned, Step
from alerts.shapes import moment
from alerts.suppression import Mute
from alerts.telling import is_grave, policy_of, tell
from core.findings import Finding

ASIDE: Final = ("cooldown", "chattering")
"""Reasons for which an opening waits a while before it is told; telling ends them."""
GAP_POLICY: Final = "coverage-gap"


def begin(book: Book, entry: Entry, *, told_at: datetime | None = None, cooldown_s: float = 0.0) -> None:
    """Start the alert's policy from its first step; what was planned before is stopped.

    Where people were told at `told_at`, less than `cooldown_s` ago, it starts once that has passed; what chatters
    once it has held for a while; extreme does not wait. What is kept quiet is looked at again later. A test starts
    nothing.
    """
    entry.stop_steps()
    if entry.alert.exercise == "test":
        entry.event("suppressed", "A test: nobody is told", at=book.now, reason="exercise")
        return
    entry.new_round()
    mute = book.mute(entry.alert)
    if mute is not None:
        hush(book, entry, mute)
        return
    if entry.alert.suppressed is not None:
        entry.set(suppressed(entry.alert, None))
    entry.planned += policies.plan(policy_of(entry.alert), _start(book, entry, told_at, cooldown_s))
    fire_due(book, entry)


def hush(book: Book, entry: Entry, mute: Mute) -> None:
    """Keep an alert quiet, what was to follow included, until it is looked at again."""
    entry.stop_steps("notify", "again", "look")
    is_quiet = entry.alert.suppressed == mute.word
    entry.take_back(mute.word if is_quiet else mute.text)
    entry.planned.append(Planned(0, mute.until, "look"))
    if is_quiet:
        return
    entry.set(suppressed(entry.alert, mute.word))
    about: dict[str, Any] = {"reason": mute.word, "until": moment(mute.until), "by": mute.by, "said": mute.said}
    entry.event("suppressed", mute.text, at=book.now, **about)


def look_again(book: Book, entry: Entry) -> None:
    """Tell people of an alert that nothing keeps quiet any more, if it still stands."""
    entry.stop_steps("look")
    mute = book.mute(entry.alert)
    if mute is not None:
        hush(book, entry, mute)
        return
    was = entry.alert.suppressed
    entry.set(suppressed(entry.alert, None))
    alert = entry.alert
    if not alert.is_standing:
        entry.event("unsuppressed", "Nothing keeps it quiet any more; it is over by now", at=book.now, was=was)
        if closes_by_itself(alert):
            close(book, entry, "it is over")
        return
    entry.event("unsuppressed", "Nothing keeps it quiet any more, and it still stands", at=book.now, was=was)
    if alert.is_acknowledged:
        _tell_again(book, entry)
    else:
        begin(book, entry)


def _start(book: Book, entry: Entry, told_at: datetime | None, cooldown_s: float) -> datetime:
    """Return when the first step is due, and say so where that is not at once."""
    if entry.alert.severity == "extreme":
        return book.now
    calm = book.now + CHATTER_SPAN if is_chattering(entry.alert, book.now) else book.now
    cool = told_at + timedelta(seconds=cooldown_s) if told_at is not None else book.now
    start = max(calm, cool)
    if start <= book.now:
        return book.now
    if told_at is not None and cool >= calm:
        reason, why = "cooldown", f"People were told {duration(book.now - told_at)} ago"
    else:
        reason, why = "chattering", f"It has opened {CHATTER} times within a minute"
    entry.set(suppressed(entry.alert, reason))
    text = f"{why}: nobody is told before {start:%H:%M:%S} UTC, and then if it is still true"
    entry.event("suppressed", text, at=book.now, reason=reason, until=moment(start))
    return start


def fire_due(book: Book, entry: Entry) -> int:
    """Carry out the steps whose time has come; return how many."""
    fired = 0
    for step in sorted(entry.waiting, key=lambda step: (step.due_at, step.id)):
        if step.due_at <= book.now and step in entry.waiting:
            entry.end(step, "done")
            _carry_out(book, entry, Planned(step.step, step.due_at, cast("Kind", step.kind), step.repeat))
            fired += 1
    for planned in list(entry.planned):
        if planned.due_at <= book.now and planned in entry.planned:
            entry.planned.remove(planned)
            _carry_out(book, entry, planned)
            fired += 1
    return fired


def next_at_once(book: Book, entry: Entry) -> bool:
    """Carry out the next step that would tell people, though its time has not come; return whether there was one."""
    # A repetition is no next step: it would find the same nobody.
    waiting = [step for step in entry.waiting if step.kind == "notify" and not step.repeat]
    planned = [step for step in entry.planned if step.kind == "notify" and not step.repeat]
    upcoming = [(step.due_at, step.step) for step in waiting] + [(step.due_at, step.step) for step in planned]
    if not upcoming:
        return False
    number = min(upcoming)[1]
    for step in waiting:
        if step.step == number:
            entry.end(step, "done")
    entry.planned = [step for step in entry.planned if step not in planned or step.step != number]
    _carry_out(book, entry, Planned(number, book.now))
    return True


def unreached(book: Book, entry: Entry, step: int, why: str) -> None:
    """Note that a step reached nobody: the next one comes at once, and somebody must mend the gap."""
    words = policy_of(entry.alert).steps[step].notify
    entry.event("coverage_gap", f"Step {step + 1} reaches nobody ({', '.join(words)}): {why}", at=book.now, step=step)
    entry.changed = True
    next_at_once(book, entry)
    if entry.alert.exercise == "live":
        # Whom a drill would have reached is in its record; an alert of its own would be about something real.
        _note_gap(book, entry.alert, words)


def stop_answered(entry: Entry) -> None:
    """Let the steps wait no more whose answer has come."""
    alert, policy = entry.alert, policy_of(entry.alert)

    def is_over(kind: str, number: int) -> bool:
        if kind == "again":
            return alert.on_scene_by is not None
        return kind == "notify" and policies.is_answered(policy.steps[number].awaits, alert)

    for step in list(entry.waiting):
        if is_over(step.kind, step.step):
            entry.end(step, "stopped")
    entry.planned = [step for step in entry.planned if not is_over(step.kind, step.step)]


def remind_later(book: Book, entry: Entry) -> None:
    """Plan that those who have the alert are told again, if it is still true by then."""
    again = policy_of(entry.alert).again
    waits = "again" in {step.kind for step in entry.waiting} | {step.kind for step in entry.planned}
    muted = entry.alert.suppressed is not None and entry.alert.suppressed not in ASIDE
    if again is not None and entry.alert.is_active and entry.alert.on_scene_by is None and not (waits or muted):
        entry.planned.append(Planned(0, book.now + again, "again"))


def mind_shift(book: Book, entry: Entry) -> None:
    """Plan to look whether whoever has an extreme alert is still on shift: nobody goes home with one."""
    entry.stop_steps("handover")
    if entry.alert.severity == "extreme" and entry.alert.exercise != "test":
        entry.planned.append(Planned(0, book.now, "handover"))


def close_later(book: Book, entry: Entry) -> None:
    """Plan the close of an alert that was one instant: once all its steps are through and nobody has answered."""
    due = [step.due_at for step in entry.waiting] + [step.due_at for step in entry.planned]
    policy = policy_of(entry.alert)
    entry.planned.append(Planned(0, max(due, default=book.now) + policy.ack_target, "close"))


def close(book: Book, entry: Entry, why: str) -> None:
    """Close an alert without a person."""
    book.close(entry, closed_by_itself(entry.alert, now=book.now, note=why))
    entry.event("closed", f"Closed by itself: {why}", at=book.now, disposition=entry.alert.disposition, said="")
    entry.deed(SERVICE, "alert.close", disposition=entry.alert.disposition, note=why)


def _carry_out(book: Book, entry: Entry, planned: Planned) -> None:
    if not entry.alert.is_open:
        return
    if planned.kind == "close":
        close(book, entry, "nobody answered, and nothing is left to do")
    elif planned.kind == "again":
        _tell_again(book, entry)
    elif planned.kind == "look":
        look_again(book, entry)
    elif planned.kind == "handover":
        _look_at_shift(book, entry, was_on_shift=bool(planned.repeat))
    else:
        _notify(book, entry, planned)


def _notify(book: Book, entry: Entry, planned: Planned) -> None:
    policy = policy_of(entry.alert)
    step = policy.steps[planned.step]
    if policies.is_answered(step.awaits, entry.alert):
        return
    mute = book.mute(entry.alert)
    if mute is not None:
        hush(book, entry, mute)
        return
    if planned.repeat:
        entry.new_round()
    if step.repeat is not None:
        again = policies.next_time(planned.due_at, step.repeat, book.now)
        entry.planned.append(Planned(planned.step, again, "notify", planned.repeat + 1))
    first = [each for each in book.who(entry.alert.campus, step.notify, step.via) if each.tier == 0]
    if step.acks > 1:
        seen = {name_of(each) for each in entry.alert.acknowledgers}
        first = [each for each in first if each.person not in seen]
    if not first:
        unreached(book, entry, planned.step, "nobody of them can be reached now")
        return
    kind: NoticeKind = "reminder" if planned.repeat or step.until == "on_scene" else "alert"
    # What is grave waits neither for company nor for the morning.
    at = book.now if is_grave(entry.alert) else policies.send_at(policy, book.campuses[entry.alert.campus], book.now)
    tell(book, entry, first, step=planned.step, kind=kind, until=step.awaits, at=at)
    _note_told(book, entry, first, step=planned.step, at=at, words=step)


def _tell_again(book: Book, entry: Entry) -> None:
    """Tell those who have the alert, and those of the first step, that it is still true."""
    alert, policy = entry.alert, policy_of(entry.alert)
    if not alert.is_active or not alert.is_acknowledged or alert.on_scene_by is not None:
        return
    entry.new_round()
    remind_later(book, entry)
    words = (f"person:{name_of(alert.acknowledged_by)}", *policy.steps[0].notify)
    found = [each for each in book.who(alert.campus, words, policy.steps[0].via) if each.tier == 0]
    if not found:
        unreached(book, entry, 0, f"{name_of(alert.acknowledged_by)} has it, and cannot be reached")
        return
    tell(book, entry, found, kind="reminder", until="on_scene")
    _note_told(book, entry, found, step=0, at=book.now, words=policy.steps[0])


def _look_at_shift(book: Book, entry: Entry, *, was_on_shift: bool) -> None:
    """Take an extreme alert from whoever went off shift without handing it over; people are told anew."""
    alert, campus = entry.alert, book.campuses.get(entry.alert.campus)
    holder = campus.people_by_id.get(name_of(alert.acknowledged_by)) if campus else None
    if campus is None or holder is None or alert.severity != "extreme":
        return
    end = shift_end(campus, holder.id, book.now)
    if end is not None:
        entry.planned.append(Planned(0, end, "handover", repeat=1))
    elif was_on_shift:
        entry.set(lapsed(alert))
        text = f"{holder.name} is off duty and did not hand it over: it is nobody's again"
        entry.event("handover", text, at=book.now, was=alert.acknowledged_by)
        entry.deed(SERVICE, "alert.lapse", was=alert.acknowledged_by)
        begin(book, entry)


def _note_told(
    book: Book, entry: Entry, recipients: Sequence[Recipient], *, step: int, at: datetime, words: Step
) -> None:
    reason = None if entry.alert.suppressed in ASIDE else entry.alert.suppressed
    entry.set(replace(entry.alert, noticed_at=book.now, suppressed=reason))
    names = ", ".join(dict.fromkeys(each.person for each in recipients))
    when = f" at {at:%H:%M:%S} UTC" if at > book.now else ""
    data: dict[str, Any] = {
        "step": step,
        "to": [each.endpoint for each in recipients],
        "people": list(dict.fromkeys(each.person for each in recipients)),
        "notify": list(words.notify),
        "generation": entry.alert.generation,
    }
    entry.event("notify", f"Step {step + 1} tells {names}{when}", at=book.now, **data)


def _note_gap(book: Book, alert: Alert, words: Sequence[str]) -> None:
    """Open, or repeat, the alert which says that nobody could be told; one about itself would never end."""
    place = gap_at(alert.campus)
    if alert.place == place or alert.campus in book.gaps:
        return
    book.gaps.add(alert.campus)
    finding = Finding(
        campus=alert.campus,
        rule=place[1],
        key=place[2],
        entity="campus",
        state="firing",
        at=book.now,
        severity="severe",
        title="Nobody can be reached",
        text=f"Nobody can be reached: {', '.join(words)}",
        because={"alert": alert.id, "rule": alert.rule, "key": alert.key, "notify": list(words)},
    )
    entry = book.at(place)
    if entry is not None and entry.alert.is_active:
        entry.set(repeated(entry.alert, finding, now=book.now))
        return
    if entry is None:
        policy = book.policies(alert.campus)[0][GAP_POLICY]
        previous = book.last_closed(place)
        entry = book.open(
            opened(
                finding,
                now=book.now,
                policy=book.plain(alert.campus, policy),
                previous=previous,
            )
        )
        entry.deed(SERVICE, "alert.open", severity=entry.alert.severity)
    else:
        entry.set(repeated(entry.alert, finding, now=book.now))
    entry.event("opened", finding.text, at=book.now, severity=finding.severity)
    begin(book, entry)
