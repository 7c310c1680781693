"""Node-RED from npm, with the same two rules in a flow, as well set up as we know how.

Kept session under a fixed name at QoS 1, JSON parsed by the `mqtt in` node, a `switch`, and an `http request` that
keeps its connection; for the door that stays open a `trigger` that a closing resets. It is installed into the user's
cache.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from benchmarks.endtoend.traffic import HELD
from tests import servers

CLIENT: Final = "node-red"
NEWEST_NEEDS: Final = 22
"""The Node.js that Node-RED 5 asks for; an older one gets the newest Node-RED 4."""
INSTALL_S: Final = 300
SETTINGS: Final = (
    "module.exports = {credentialSecret: false, telemetry: {enabled: false}, logging: {console: {level: 'warn'}}};"
)


def default_folder() -> Path:
    """Return where it is installed unless another place is named."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "hallwatch" / "node-red"


def missing(folder: Path) -> str:
    """Install Node-RED where it is not yet; return why it cannot be had, or nothing."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if not node:
        return "Node.js is not installed"
    if _main(folder).exists():
        return ""
    if not npm:
        return "npm is not installed"
    major = (
        subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout.strip("v").split(".")[0]
    )
    package = "node-red@latest" if int(major) >= NEWEST_NEEDS else "node-red@4"
    folder.mkdir(parents=True, exist_ok=True)
    quiet = ["--no-save", "--no-audit", "--no-fund", "--no-package-lock"]
    command = [npm, "install", "--prefix", str(folder), *quiet, package]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=INSTALL_S)
    except subprocess.TimeoutExpired:
        return f"npm did not install it within {INSTALL_S} s"
    if done.returncode:
        return f"npm could not install it: {(done.stderr.strip() or 'no reason given').splitlines()[0]}"
    return ""


def version(folder: Path) -> str:
    """Return which version is installed."""
    found: dict[str, Any] = json.loads((_main(folder).parent / "package.json").read_text())
    return str(found["version"])


def _main(folder: Path) -> Path:
    return folder / "node_modules" / "node-red" / "red.js"


@dataclass
class NodeRed:
    """Node-RED as a process that can be killed and started again."""

    installed: Path
    folder: Path
    broker: int
    url: str
    """Where it pushes to."""
    hold: float
    port: int = field(default_factory=servers.free_port)
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Write the flow, where there is none yet, and start."""
        node = shutil.which("node")
        assert node
        self.folder.mkdir(parents=True, exist_ok=True)
        if not (self.folder / "flows.json").exists():
            (self.folder / "settings.js").write_text(SETTINGS)
            (self.folder / "flows.json").write_text(json.dumps(flow(self.broker, self.url, self.hold)))
            secret = {"broker": {"user": "hallwatch", "password": servers.PASSWORD}}
            (self.folder / "flows_cred.json").write_text(json.dumps(secret))
        words = ["-p", str(self.port), "-u", str(self.folder), "-s", str(self.folder / "settings.js"), "flows.json"]
        with (self.folder / "node-red.log").open("ab") as log:
            command = [node, str(_main(self.installed)), *words]
            self.process = subprocess.Popen(command, cwd=self.folder, stdout=log, stderr=log)

    def stop(self, *, kill: bool = False) -> None:
        """End it."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill() if kill else self.process.terminate()
            self.process.wait(20)


def flow(broker: int, url: str, hold: float) -> list[dict[str, Any]]:
    """Return the flow with the two rules."""
    post = {"type": "http request", "method": "POST", "ret": "txt", "url": url, "persist": True, "senderr": True}
    nodes: list[dict[str, Any]] = [
        {
            "id": "broker",
            "type": "mqtt-broker",
            "broker": "127.0.0.1",
            "port": str(broker),
            "clientid": CLIENT,
            "autoConnect": True,
            "protocolVersion": "4",
            "keepalive": "60",
            "cleansession": False,
            "autoUnsubscribe": False,
        },
        {
            "id": "hears",
            "type": "mqtt in",
            "topic": "campus/#",
            "qos": "1",
            "datatype": "json",
            "broker": "broker",
            "wires": [["escort", "held"]],
        },
        _switch("escort", "payload.action", [("escort", "tell")]),
        {"id": "tell", **post, "wires": [[]]},
        _switch("held", "topic", [(HELD, "position")]),
        _switch("position", "payload.position", [("open", "timer"), ("closed", "reset")]),
        {
            "id": "reset",
            "type": "change",
            "rules": [{"t": "set", "p": "reset", "pt": "msg", "to": "true", "tot": "bool"}],
            "wires": [["timer"]],
        },
        {
            "id": "timer",
            "type": "trigger",
            "op1type": "nul",
            "op2type": "payl",
            "duration": str(hold),
            "units": "s",
            "extend": False,
            "bytopic": "topic",
            "topic": "topic",
            "outputs": 1,
            "wires": [["tell-held"]],
        },
        {"id": "tell-held", **post, "wires": [[]]},
    ]
    for node in nodes[1:]:
        node["z"] = "doors"
    return [{"id": "doors", "type": "tab", "label": "Doors"}, *nodes]


def _switch(name: str, of: str, ways: list[tuple[str, str]]) -> dict[str, Any]:
    return {
        "id": name,
        "type": "switch",
        "property": of,
        "propertyType": "msg",
        "rules": [{"t": "eq", "v": value, "vt": "str"} for value, _ in ways],
        "checkall": "false",
        "outputs": len(ways),
        "wires": [[to] for _, to in ways],
    }
