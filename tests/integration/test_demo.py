"""`hallwatch demo` on an empty machine: an alert on phone and page within half a minute, nothing left behind."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.servers import free_port

pytestmark = pytest.mark.timeout(120)


def ask(url: str, token: str = "") -> Any:
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"} if token else {})
    with urllib.request.urlopen(request, timeout=5) as answer:
        return json.load(answer)


def group_of(pid: int) -> set[int]:
    """The processes of a session, whoever started them."""
    found = set()
    for each in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = each.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == pid and fields[0] != "Z":
            found.add(int(each.parent.name))
    return found


def wait_for(what: Any, seconds: float) -> Any:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            found = what()
        except OSError:
            found = None
        if found:
            return found
        time.sleep(0.25)
    raise TimeoutError("it did not come")


def test_the_demo_alerts_within_half_a_minute_and_leaves_nothing_behind(tmp_path: Path) -> None:
    port, output = free_port(), tmp_path / "output.txt"
    with output.open("wb") as log:
        # A session of its own, as a terminal gives it one: Ctrl-C reaches all of it.
        demo = subprocess.Popen(
            [sys.executable, "-m", "app", "demo", "--port", str(port)],
            stdout=log,
            stderr=log,
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(Path.cwd()), "TMPDIR": str(tmp_path)},
            start_new_session=True,
        )
    try:
        wait_for(lambda: ask(f"http://127.0.0.1:{port}/readyz"), 30)
        up = time.monotonic()
        said = wait_for(lambda: re.search(r"phones\s+(http://\S+?)/?\s[\s\S]*?(hw_\S+)", output.read_text()), 10)
        phone, token = said.group(1), said.group(2)
        pushes = wait_for(lambda: told(ask(f"{phone}/pushes.json")), 30)
        assert time.monotonic() - up < 30
        alerts = ask(f"http://127.0.0.1:{port}/api/v1/alerts?state=open", token)["items"]
        assert alerts[0]["code"] in pushes[-1]["title"]
        assert wait_for(lambda: alerts[0]["code"] in output.read_text(), 5)
        os.killpg(demo.pid, signal.SIGINT)
        assert demo.wait(20) == 0
        assert group_of(demo.pid) == set()
        assert list(tmp_path.glob("hallwatch-demo-*")) == []
    finally:
        if demo.poll() is None:
            os.killpg(demo.pid, signal.SIGKILL)
            demo.wait(10)


def told(pushes: Any) -> list[dict[str, Any]]:
    """Return the pushes of alerts: before dawn the demo asks every phone besides whether it can be reached."""
    return [each for each in pushes or [] if not each["title"].startswith("TEST")]


def test_a_taken_port_is_said_in_one_line(tmp_path: Path) -> None:
    port = free_port()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
        taken.listen()
        said = subprocess.run(
            [sys.executable, "-m", "app", "demo", "--port", str(port)],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(Path.cwd())},
            check=False,
        )
    assert said.returncode == 2
    assert str(port) in said.stderr
    assert "Traceback" not in said.stderr
