"""Endpoint URLs and the watch list: sealed at rest, masked in every answer, absent from the logs of a whole run."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest

from benchmarks.stage import PROBE, stage
from tests import servers
from tests.campuses import LINCOLN

pytestmark = [
    pytest.mark.skipif(not servers.MOSQUITTO, reason="mosquitto is not installed (apt-get install mosquitto)"),
    pytest.mark.timeout(180),
]
WORD = "planted5ecret"
"""In every URL. The name on the watch list is `Alex Planted Secret`."""
BEHAVIOUR = {"well": (200, 0.0), "failing": (500, 0.0), "gone": (410, 0.0)}


def people() -> list[dict[str, Any]]:
    found = [
        {
            "id": kind,
            "name": f"The {kind}",
            "role": "maintenance",
            "endpoints": [{"id": f"{kind}-phone", "url": f"json://user:{WORD}@127.0.0.1:9/{kind}-{WORD}"}],
        }
        for kind in BEHAVIOUR
    ]
    away = {"id": "away-phone", "url": f"json://127.0.0.1:1/{WORD}"}
    found.append({"id": "away", "name": "Away", "role": "maintenance", "endpoints": [away]})
    return [*LINCOLN["people"], *found]


async def answers(client: httpx.AsyncClient) -> dict[str, str]:
    """The text of every answer that a reader, or an administrator, can get."""
    found: dict[str, str] = {}
    for path, methods in (await client.get("/api/v1/openapi.json")).json()["paths"].items():
        if "get" not in methods or "stream" in path or "token}" in path:
            continue
        where = path.replace("{c}", "lincoln").replace("{number}", "1").replace("{rule}", "probe")
        if "{" not in where:
            found[where] = (await client.get(where)).text
    found["/"] = (await client.get("/")).text
    found["redacted"] = (await client.get("/api/v1/alerts/1/evidence?redacted=true")).text
    return found


async def say(client: httpx.AsyncClient) -> None:
    """Hand in what holds secrets, in the right places and in wrong ones, and cause alerts about them."""
    match = {"action": "check_in", "visit": "v2", "type": "visitor", "watch": "trespass", "screening": "confirmed"}
    for said in ({"action": "escort", "visit": "v1"}, match):
        await client.post("/api/v1/messages", json={"topic": "campus/lincoln/visitor/lobby", "payload": said})
    campus = "/api/v1/campuses/lincoln"
    entry = {"id": "w-18", "kind": "banned", "name": f"Sam {WORD}", "instruction": f"{WORD} court order"}
    assert (await client.put(f"{campus}/watch-list/w-18", json=entry)).status_code < 300
    wrong = await client.put(f"{campus}/watch-list/w-19", json={**entry, "id": "w-19", "kind": WORD})
    assert wrong.status_code == 422
    bad = {"id": "sam", "name": "Sam", "role": "office", "endpoints": [{"id": "p", "url": f"pigeon://u:{WORD}@coop"}]}
    refused = await client.put(f"{campus}/people/sam", json=bad)
    assert refused.status_code == 422
    assert WORD not in refused.text


async def test_no_log_no_answer_and_no_file_holds_what_was_planted(tmp_path: Path) -> None:
    policy = {"id": "probe", "steps": [{"notify": ["role:maintenance"]}]}
    settings = {"HALLWATCH_LOG_LEVEL": "debug", "HALLWATCH_PUBLIC_URL": "http://127.0.0.1:1"}
    async with stage(tmp_path, rules=[PROBE], policies=[policy], people=people(), settings=settings) as here:
        here.receiver.behaviour = {f"/{kind}-{WORD}": how for kind, how in BEHAVIOUR.items()}
        await asyncio.to_thread(here.service.start)
        tokens = {
            role: here.service.command("token", "create", "--name", role, "--role", role).stdout.strip()
            for role in ("admin", "viewer")
        }
        said: dict[str, str] = {}
        for role, token in tokens.items():
            headers = {"Authorization": f"Bearer {token}"}
            async with httpx.AsyncClient(base_url=here.service.url, headers=headers, timeout=30) as client:
                if role == "admin":
                    await say(client)
                    await here.receiver.wait_for(5, seconds=30)
                    await client.post("/api/v1/campuses/lincoln/endpoints/gone-phone/verify")
                    await client.post("/api/v1/campuses/lincoln/endpoints/away-phone/verify")
                said |= {f"{role} {path}": text for path, text in (await answers(client)).items()}
        here.service.stop()
        log = here.service.log_text()
        # Beside the folder with the campus file, which the operator wrote.
        stored = b"".join(each.read_bytes() for each in tmp_path.glob("hallwatch.db*"))
    assert f"/failing-{WORD}" in [each.path for each in here.receiver.received], "the secrets were really used"
    assert len(said) > 40
    # An administrator may read the watch list; nobody reads a URL.
    shown = {"admin /api/v1/campuses/lincoln/watch-list"}
    assert {path for path, text in said.items() if WORD in text} <= shown
    assert "watch-list-match" in said["viewer /api/v1/alerts"], "somebody on the list came"
    assert [path for path, text in said.items() if "Planted Secret" in text and not path.startswith("admin")] == []
    assert "ready" in log
    for secret in (WORD, "Planted Secret", *tokens.values()):
        assert secret not in log
        assert secret.encode() not in stored
