"""One timer for all deadlines."""

from __future__ import annotations

import asyncio

from mockex.server.timers import Timers


async def test_callbacks_come_in_the_order_of_their_deadlines() -> None:
    loop = asyncio.get_running_loop()
    timers, called, done = Timers(loop), list[str](), loop.create_future()
    start = loop.time()
    timers.at(start + 0.03, lambda: done.set_result(None))
    timers.at(start + 0.02, lambda: called.append("second"))
    timers.at(start + 0.01, lambda: called.append("first"))
    await done
    assert called == ["first", "second"]
    assert loop.time() >= start + 0.03


async def test_a_cancelled_timer_never_calls() -> None:
    loop = asyncio.get_running_loop()
    timers, called, done = Timers(loop), list[str](), loop.create_future()
    timers.after(0.005, lambda: called.append("cancelled")).cancel()
    timers.after(0.01, lambda: done.set_result(None))
    await done
    assert called == []


async def test_a_callback_may_set_a_timer_that_is_due_at_once() -> None:
    loop = asyncio.get_running_loop()
    timers, done = Timers(loop), loop.create_future()

    def again() -> None:
        timers.after(0, lambda: done.set_result(None))

    timers.after(0, again)
    await asyncio.wait_for(done, 1)


async def test_nothing_is_called_after_close() -> None:
    timers, called = Timers(asyncio.get_running_loop()), list[str]()
    timers.after(0.005, lambda: called.append("late"))
    timers.close()
    await asyncio.sleep(0.02)
    assert called == []
