"""The only door to Apprise: one endpoint is one URL is one Apprise object, sent from a thread pool of ours.

Apprise says for each service whether it worked; why it did not stands only in its log lines. They are captured for the
one call, read for the status code or the timeout, and forgotten: they may hold URLs, which are secrets.
"""

from __future__ import annotations

import asyncio
import logging
import math
import re
import socket
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final, Literal
from urllib.parse import parse_qsl, quote, urlsplit

import apprise
from apprise.attachment.memory import AttachMemory

from alerts import guard, smtp
from alerts.notices import Notice
from alerts.outbox import Lane
from alerts.threads import Threads
from core.clock import stopwatch
from core.errors import Problem
from core.findings import Severity

LANES: Final[Mapping[Lane, int]] = {"critical": 96, "normal": 16, "bulk": 8, "self-test": 4}
"""How many notices each lane sends at once; one provider may have three quarters of them."""
CONNECT_S: Final = 4.0
READ_S: Final = 12.0
_GRACE_S: Final = 4.0
_PATIENCE_S: Final = 5.0
_FORBIDDEN: Final = ("optional", "retry", "wait")
_SILENT: Final = frozenset(("ntfy", "ntfys", "json", "jsons", "xml", "xmls", "form", "forms", "mailto", "mailtos"))
_FOR_NOW: Final = frozenset((408, 409, 421, 423, 425, 429))
_STATUS: Final = re.compile(r"\berror[=: ]+(\d{3})\b")
_MOODS: Final[dict[Severity, apprise.NotifyType]] = {
    "extreme": apprise.NotifyType.FAILURE,
    "severe": apprise.NotifyType.WARNING,
    "moderate": apprise.NotifyType.WARNING,
    "minor": apprise.NotifyType.INFO,
}
_LOUDNESS: Final[dict[Severity, str]] = {"extreme": "max", "severe": "high", "moderate": "default", "minor": "low"}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one attempt: `unknown` may have arrived, `failed` may work later, `refused` never will."""

    state: Literal["accepted", "unknown", "failed", "refused"]
    detail: str


_UNREACHED: Final = Outcome("failed", "no connection")


class Breaker:
    """Stops knocking at a provider that answers nobody, and tries once in a while."""

    LIMIT: Final = 5
    PAUSE_S: Final = 10.0

    def __init__(self) -> None:
        self._silent = 0
        self._answered = -math.inf
        self._next = 0.0

    def lets_through(self) -> bool:
        """Return whether to try now."""
        now = stopwatch()
        if self._silent < self.LIMIT or now - self._answered < self.PAUSE_S:
            return True
        if now < self._next:
            return False
        self._next = now + self.PAUSE_S
        return True

    def note(self, outcome: Outcome) -> None:
        """Remember whether the provider answered."""
        if outcome.state in ("accepted", "refused"):
            self._silent, self._answered = 0, stopwatch()
            return
        self._silent += 1
        if self._silent == self.LIMIT:
            self._next = stopwatch() + self.PAUSE_S


class Channels:
    """Sends notices. Every lane has its threads, every provider its share of them, so that none waits for another."""

    def __init__(self, *, allow_private: bool, lanes: Mapping[Lane, int] = LANES) -> None:
        self._allow_private = allow_private
        self._lanes = lanes
        self._pools = {lane: Threads(size, f"send-{lane}") for lane, size in lanes.items()}
        self._seats: dict[tuple[Lane, str], asyncio.Semaphore] = {}
        self._breakers: defaultdict[str, Breaker] = defaultdict(Breaker)
        self._providers: dict[str, str] = {}
        _keep_apprise_quiet()

    def room(self, lane: Lane) -> int:
        """Return how many notices the lane can send at once."""
        return self._lanes[lane]

    async def warm_up(self) -> None:
        """Have all services loaded, which takes seconds: no alert shall have to wait for that."""
        await asyncio.get_running_loop().run_in_executor(self._pools["critical"], _open, "json://localhost")

    def validate(self, url: str) -> list[Problem]:
        """Return what is wrong with an endpoint's URL (see `validate`)."""
        return validate(url, allow_private=self._allow_private)

    async def send(
        self,
        url: str,
        notice: Notice,
        *,
        lane: Lane,
        timeout: float = READ_S,  # noqa: ASYNC109 - the sockets' own
        quiet: bool = False,
    ) -> Outcome:
        """Send one notice; never raises. `timeout` is how long an answer may take, in seconds.

        `quiet` asks the phone to make no sound, where the service knows such a thing (see `is_silent`).
        """
        loop = asyncio.get_running_loop()
        provider = self._providers.get(url)
        if provider is None:
            provider = await loop.run_in_executor(self._pools[lane], _provider, url)
            self._providers[url] = provider
        breaker = self._breakers[provider]
        if not breaker.lets_through():
            return Outcome("failed", "not tried: the provider has not answered lately")
        seat = self._seats.setdefault((lane, provider), asyncio.Semaphore(max(1, self._lanes[lane] * 3 // 4)))
        try:
            async with asyncio.timeout(_PATIENCE_S):
                await seat.acquire()
        except TimeoutError:
            return Outcome("failed", "not tried: too many notices to this provider at once")
        address = _address(url, notice, quiet=quiet)
        sending = loop.run_in_executor(self._pools[lane], self._deliver, address, notice, timeout)
        # A thread cannot be stopped: its seat is free only once it has really ended.
        sending.add_done_callback(lambda _: seat.release())
        done, _ = await asyncio.wait({sending}, timeout=CONNECT_S + timeout + _GRACE_S)
        outcome = sending.result() if done else _no_answer(CONNECT_S + timeout + _GRACE_S)
        breaker.note(outcome)
        return outcome

    async def knock(self, url: str) -> Outcome:
        """Try whether a provider's host can be reached, and say nothing to it; `unknown` where the URL names none."""
        return await asyncio.get_running_loop().run_in_executor(self._pools["self-test"], self._knock, url)

    def _knock(self, url: str) -> Outcome:
        services = _open(url)
        if services is None:
            return Outcome("refused", "the endpoint's URL cannot be used")
        where = _where(services[0])
        if where is None:
            return Outcome("unknown", "cannot be tried without a sound; send it a test by hand")
        with guard.watching(allow_private=self._allow_private) as blocked:
            try:
                socket.create_connection(where, CONNECT_S).close()
            except OSError:
                return Outcome("refused", "leads to a private address") if blocked else _UNREACHED
        return Outcome("accepted", "its host answers; nothing was sent")

    def close(self) -> None:
        """Take no more; what is being sent is left to itself, and keeps no process from ending."""
        for pool in self._pools.values():
            pool.shutdown()

    def _deliver(self, url: str, notice: Notice, timeout: float) -> Outcome:
        try:
            services = _open(url)
            if services is None or len(services) != 1:
                return Outcome("refused", "the endpoint's URL cannot be used")
            service = services[0]
            # By mail, one bound holds for the whole conversation: that of connecting would cut off a slow server which
            # takes the message all the same, and it would come again and again.
            service.socket_connect_timeout = timeout if smtp.is_mail(service) else CONNECT_S
            service.socket_read_timeout = timeout
            began = stopwatch()
            with guard.watching(allow_private=self._allow_private) as blocked:
                result = services.notify(
                    body=notice.body,
                    title=notice.title,
                    notify_type=_MOODS[notice.severity],
                    body_format=apprise.NotifyFormat.TEXT,
                    attach=_picture(service, notice),
                    log_level=logging.DEBUG,
                )
            return _judge(result, blocked, stopwatch() - began, timeout)
        except Exception as error:  # noqa: BLE001 - a plugin may raise anything; its words may hold secrets
            return Outcome("failed", f"could not be sent ({type(error).__name__})")


def validate(url: str, *, allow_private: bool) -> list[Problem]:
    """Return what is wrong with an endpoint's URL; nothing if it can be stored. Asking DNS may take a while."""
    _keep_apprise_quiet()
    said = {name.lower() for name, _ in parse_qsl(url.partition("?")[2], keep_blank_values=True)}
    words = "we do that ourselves; leave it out"
    found = [Problem(f"must not set {name}=: {words}", "url") for name in _FORBIDDEN if name in said]
    services = _open(url)
    if services is None:
        example = "write it like ntfys://ntfy.example.org/topic or json://host/path"
        return [*found, Problem(f"is not a URL that Apprise can use; {example}", "url")]
    if len(services) > 1 or (not found and _targets(services[0]) > 1):
        found.append(Problem("names several targets; give each its own endpoint", "url"))
    if not allow_private and any(guard.leads_inside(host) for host in _hosts(services)):
        words = "leads to a private address; for a server of your own set ALLOW_PRIVATE_ENDPOINTS=true"
        found.append(Problem(words, "url"))
    return found


def is_silent(url: str) -> bool:
    """Return whether a quiet notice can be sent there: to a letter box, a program, or as a message without a sound."""
    return urlsplit(url).scheme.lower() in _SILENT


def _where(service: Any) -> tuple[str, int] | None:
    """Return the host and port that a URL names; None where the service keeps its own."""
    if smtp.is_mail(service):
        return service.smtp_host or service.host, int(service.port)
    if not any("{host}" in template for template in getattr(service, "templates", ())):
        return None
    return service.host, int(service.port or (443 if service.secure else 80))


def _judge(result: apprise.AppriseResult, blocked: list[str], took: float, timeout: float) -> Outcome:
    if result.status == apprise.AppriseResultStatus.SUCCESS:
        return Outcome("accepted", "")
    if blocked:
        return Outcome("refused", "leads to a private address")
    if not result.results:
        return Outcome("refused", "the endpoint's URL cannot be used")
    lines = [entry.message for each in result for entry in each.logs()]
    mailed = smtp.judge(lines)
    if mailed is not None:
        return Outcome(*mailed)
    status = _status(lines)
    if status is not None:
        return _by_status(status)
    if any("Read timed out" in line or "ReadTimeout" in line for line in lines):
        return _no_answer(timeout)
    if any("ConnectTimeout" in line or "Connection error" in line for line in lines) and took < timeout:
        return _UNREACHED
    return _no_answer(took) if took >= timeout else Outcome("failed", "could not be sent")


def _status(lines: Iterable[str]) -> int | None:
    found = [int(match[1]) for line in lines if (match := _STATUS.search(line))]
    return next((status for status in reversed(found) if 300 <= status < 600), None)


def _by_status(status: int) -> Outcome:
    try:
        words = f"answered {status} {HTTPStatus(status).phrase}"
    except ValueError:
        words = f"answered {status}"
    never = (400 <= status < 500 and status not in _FOR_NOW) or status in (301, 308)
    return Outcome("refused" if never else "failed", words)


def _no_answer(seconds: float) -> Outcome:
    return Outcome("unknown", f"no answer within {seconds:.0f} s; it may have arrived")


def _open(url: str) -> apprise.Apprise | None:
    asset = apprise.AppriseAsset(
        app_id="Hallwatch",
        app_desc="Hallwatch",
        app_url="",
        # The default icons lie on a public host.
        image_url_mask="",
        image_url_logo="",
        image_path_mask="",
        async_mode=False,
        http_redirects=False,
        storage_mode="memory",
        service_timeout=0,
        allow_templates=False,
    )
    services = apprise.Apprise(asset=asset)
    return services if services.add(url) and len(services) else None


def _targets(service: Any) -> int:
    return max(len(service), len(getattr(service, "targets", None) or ()))


def _hosts(services: apprise.Apprise) -> list[str]:
    found = {getattr(service, name, None) for service in services for name in ("host", "smtp_host")}
    return [host for host in found if isinstance(host, str) and host]


def _provider(url: str) -> str:
    """Return who answers for a URL: the host where it names one, else the service itself."""
    services = _open(url)
    if services is None:
        return ""
    service = services[0]
    if any("{host}" in template for template in getattr(service, "templates", ())):
        return f"{service.host}:{service.port or ''}"
    return str(service.service_name)


def _address(url: str, notice: Notice, *, quiet: bool) -> str:
    """Return an ntfy URL with the notice's buttons (a phone shows three) and how loud it is; any other as it is.

    What the URL says itself stands, but a quiet notice is quiet.
    """
    if not url.lower().startswith(("ntfy://", "ntfys://")):
        return url
    if quiet:
        url = re.sub(r"(?i)([?&])priority=[^&]*&?", r"\1", url).rstrip("?&")
    more = [] if "priority=" in url else [f"priority={'min' if quiet else _LOUDNESS[notice.severity]}"]
    if notice.buttons and "actions=" not in url:
        said = [f"http, {each.label}, {each.address}, method=POST, clear=true" for each in notice.buttons[:3]]
        more.append(f"actions={quote('; '.join(said), safe='')}")
    return "&".join([f"{url}{'' if '?' in url else '?'}", *more]).replace("?&", "?", 1) if more else url


def _picture(service: Any, notice: Notice) -> list[Any] | None:
    """Return the notice's picture for a letter. Elsewhere a picture could be refused, and the words with it."""
    if notice.picture is None or not smtp.is_mail(service):
        return None
    memory: Any = AttachMemory
    return [memory(content=notice.picture, name="plan.png", mimetype="image/png")]


def _keep_apprise_quiet() -> None:
    """Let Apprise's log lines reach the capture of a call and nothing else."""
    logger = logging.getLogger(apprise.LOGGER_NAME)
    logger.disabled = False
    logger.propagate = False
    logger.setLevel(logging.DEBUG)
    if not any(isinstance(handler, logging.NullHandler) for handler in logger.handlers):
        logger.addHandler(logging.NullHandler())
