"""The hand-over between the network's thread and the event loop."""

from __future__ import annotations

import asyncio
import threading

from core.messages import Heard
from ingest.mqtt.waiting import OVERHEAD, Delivery, Waiting


def delivery(payload: bytes = b"", mid: int = 1) -> Delivery:
    return Delivery(Heard("t", payload), mid, 1)


def waiting(max_bytes: int = 10**6) -> Waiting:
    found = Waiting(max_bytes)
    found.attach(asyncio.get_running_loop())
    return found


async def test_what_is_put_in_comes_out_in_order_and_no_more_than_asked_for() -> None:
    queue = waiting()
    for number in range(5):
        queue.put([delivery(mid=number)])
    assert [each.mid for each in await queue.take(3)] == [0, 1, 2]
    assert [each.mid for each in await queue.take(3)] == [3, 4]


async def test_who_takes_waits_until_something_comes_from_another_thread() -> None:
    queue = waiting()
    taking = asyncio.create_task(queue.take(10))
    await asyncio.sleep(0.01)
    assert not taking.done()
    threading.Thread(target=lambda: queue.put([delivery(mid=7)])).start()
    assert [each.mid for each in await asyncio.wait_for(taking, 5)] == [7]


async def test_room_is_given_back_when_a_message_is_done_with_and_not_when_it_is_taken() -> None:
    queue = waiting(max_bytes=2 * (OVERHEAD + 101))
    queue.put([delivery(b"x" * 100)])
    assert not queue.is_full
    queue.put([delivery(b"x" * 100)])
    assert queue.is_full
    taken = await queue.take(10)
    assert (queue.is_full, queue.count) == (True, 2)
    queue.done(taken)
    assert (queue.is_full, queue.count) == (False, 0)


async def test_nothing_is_lost_between_many_threads_and_one_taker() -> None:
    queue = waiting()
    threads = [
        threading.Thread(target=lambda base=base: [queue.put([delivery(mid=base + n)]) for n in range(500)])
        for base in range(0, 2000, 500)
    ]
    for thread in threads:
        thread.start()
    seen: list[int] = []
    async with asyncio.timeout(10):
        while len(seen) < 2000:
            taken = await queue.take(64)
            seen += [each.mid for each in taken]
            queue.done(taken)
    assert sorted(seen) == list(range(2000))
    assert queue.count == 0
