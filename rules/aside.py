"""Judging the past in a process of its own, so that neither what is live nor the pages wait for it.

The order goes in as JSON, the answer comes out as JSON; a process that takes too long is ended. It is told nothing
but the order, and it gives way to everything else on the machine.
"""

from __future__ import annotations

import asyncio
import os
import sys
from typing import Any, Final

import msgspec
import structlog

from core.database import Database
from core.errors import BadInput, HallwatchError, Problem, Unavailable
from rules import past
from rules.past import AnyOrder, ProveOrder

log = structlog.get_logger("rules.aside")
SECONDS: Final = 60.0
"""An order that takes longer is given up."""
MOST: Final = 2
"""So many are carried out at once."""
NICENESS: Final = 10


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What came of an order: the answer, or why there is none."""

    done: Any = None
    problems: list[tuple[str, str]] = []
    """(field, message)"""
    failed: str = ""


class Aside:
    """Carries orders out beside the service, a few at once."""

    def __init__(self, *, seconds: float = SECONDS, most: int = MOST) -> None:
        self._seconds = seconds
        self._most = most
        self._running = 0

    async def ask(self, order: AnyOrder) -> Any:
        """Return the answer to an order as plain values.

        Raises BadInput where it cannot be carried out, Unavailable where it takes too long or too many run already.
        """
        if self._running >= self._most:
            raise Unavailable("the past is being judged for others already; ask again in a moment")
        self._running += 1
        try:
            answer = await self._run(order)
        finally:
            self._running -= 1
        if answer.problems:
            raise BadInput(Problem(message, where=where) for where, message in answer.problems)
        if answer.failed:
            raise Unavailable(answer.failed)
        return answer.done

    async def _run(self, order: AnyOrder) -> Answer:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "rules.aside",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            async with asyncio.timeout(self._seconds):
                said, complaint = await process.communicate(msgspec.json.encode(order))
        except TimeoutError:
            raise Unavailable(
                f"it took longer than {self._seconds:g} s and was given up; ask for a shorter time or fewer values"
            ) from None
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        try:
            return msgspec.json.decode(said, type=Answer)
        except msgspec.DecodeError:
            log.error("judging the past failed", status=process.returncode, error=complaint.decode()[-2000:])
            return Answer(failed=f"judging the past ended with status {process.returncode} and without an answer")


async def _carry_out(order: AnyOrder) -> Answer:
    if isinstance(order, ProveOrder):
        return Answer(problems=[(each.where, each.message) for each in past.prove(order)])
    database = Database(order.database_url)
    try:
        async with database.reading() as session:
            return Answer(done=await past.carry_out(session, order))
    except BadInput as bad:
        return Answer(problems=[(each.where, each.message) for each in bad.problems])
    except HallwatchError as error:
        return Answer(failed=str(error))
    finally:
        await database.close()


def main() -> None:
    """Carry out the order on stdin, and write the answer to stdout."""
    os.nice(NICENESS)
    order = msgspec.json.decode(sys.stdin.buffer.read(), type=AnyOrder)
    sys.stdout.buffer.write(msgspec.json.encode(asyncio.run(_carry_out(order))))


if __name__ == "__main__":
    main()
