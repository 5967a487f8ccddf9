"""Callers wait in virtual time."""

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable

import pytest

from shared.aml.limiter import PROBE_INTERVAL, SILENT_ATTEMPTS, Limiter, Outcome
from shared.skills.failures import Kind
from shared.skills.gateway import AttemptFailed
from tests.support.virtual_time import run_virtual

FAR = 1e9


def now() -> float:
    return asyncio.get_running_loop().time()


async def call(
    limiter: Limiter,
    seconds: float = 0.1,
    outcome: Outcome = Outcome.ANSWERED,
    *,
    deadline: float = FAR,
    retry_after: float | None = None,
) -> float:
    """When it began."""
    async with limiter.slot(deadline) as slot:
        began = now()
        await asyncio.sleep(seconds)
        slot.outcome, slot.retry_after = outcome, retry_after
    return began


async def failure_of(attempt: Awaitable[object]) -> AttemptFailed:
    with pytest.raises(AttemptFailed) as raised:
        await attempt
    return raised.value


async def close(limiter: Limiter) -> None:
    for _ in range(SILENT_ATTEMPTS):
        await call(limiter, 0, Outcome.UNREACHED)


def virtually(test: Callable[[], Awaitable[None]]) -> Callable[[], None]:
    async def main() -> None:
        await test()

    def run() -> None:
        run_virtual(main())

    run.__name__ = test.__name__
    return run


@virtually
async def test_no_more_calls_are_in_flight_than_the_window_has_places() -> None:
    limiter, seen = Limiter(), list[tuple[int, float]]()

    async def watched() -> None:
        async with limiter.slot(FAR) as slot:
            seen.append((limiter.window.in_flight, limiter.window.size))
            await asyncio.sleep(0.1)
            slot.outcome = Outcome.ANSWERED

    await asyncio.gather(*(watched() for _ in range(100)))

    assert all(in_flight <= size for in_flight, size in seen)
    assert len(seen) == 100


@virtually
async def test_first_come_first_served() -> None:
    limiter, order = Limiter(), list[int]()

    async def numbered(number: int) -> None:
        async with limiter.slot(FAR) as slot:
            order.append(number)
            await asyncio.sleep(0.1)
            slot.outcome = Outcome.ANSWERED

    await asyncio.gather(*(numbered(number) for number in range(50)))

    assert order == list(range(50))


@virtually
async def test_a_newcomer_does_not_overtake_those_who_wait() -> None:
    limiter = Limiter()
    first = [asyncio.create_task(call(limiter, 1)) for _ in range(4)]
    await asyncio.sleep(0.5)

    late = await call(limiter)

    assert late >= max(await asyncio.gather(*first))


@virtually
async def test_retry_after_holds_every_call_back() -> None:
    limiter = Limiter()
    await call(limiter, 0, Outcome.PUSHED_BACK, retry_after=7)
    paused_at = now()

    began = await asyncio.gather(*(call(limiter) for _ in range(3)))

    assert min(began) == pytest.approx(paused_at + 7)


@virtually
async def test_who_would_wait_beyond_the_deadline_is_refused_at_once() -> None:
    limiter = Limiter()
    await call(limiter, 0, Outcome.PUSHED_BACK, retry_after=60)
    asked_at = now()

    failed = await failure_of(call(limiter, deadline=now() + 27))

    assert now() == asked_at
    assert failed.failure.kind is Kind.PAUSED
    assert failed.failure.retry_after == pytest.approx(60)
    assert failed.seconds is None


@virtually
async def test_a_pause_that_the_endpoint_did_not_ask_for_is_not_told_as_its_own() -> None:
    limiter = Limiter()
    for _ in range(6):
        await call(limiter, 0, Outcome.PUSHED_BACK)

    failed = await failure_of(call(limiter, deadline=now() + 0.01))

    assert failed.failure.kind is Kind.SPACED_OUT


@virtually
async def test_a_patient_caller_in_front_does_not_hide_who_is_refused_behind() -> None:
    limiter = Limiter()
    await call(limiter, 0, Outcome.PUSHED_BACK, retry_after=60)
    patient = asyncio.create_task(call(limiter, deadline=now() + 200))
    await asyncio.sleep(0)
    asked_at = now()

    await failure_of(call(limiter, deadline=now() + 27))

    assert now() == asked_at
    assert await patient == pytest.approx(asked_at + 60)


@virtually
async def test_a_pause_that_comes_up_refuses_those_who_wait_already() -> None:
    limiter = Limiter()
    running = [
        asyncio.create_task(call(limiter, 1, Outcome.PUSHED_BACK, retry_after=60)),
        asyncio.create_task(call(limiter, 1, Outcome.PUSHED_BACK, retry_after=60)),
    ]
    await asyncio.sleep(0)
    asked_at = now()

    failed = await failure_of(call(limiter, deadline=now() + 27))

    assert now() == pytest.approx(asked_at + 1)
    assert failed.failure.kind is Kind.PAUSED
    await asyncio.gather(*running)


@virtually
async def test_a_closed_limiter_refuses_at_once_and_says_when_it_probes() -> None:
    limiter = Limiter()
    await close(limiter)

    failed = await failure_of(call(limiter, deadline=now() + 5))

    assert failed.failure.kind is Kind.CLOSED
    assert failed.failure.retry_after == pytest.approx(PROBE_INTERVAL)


@virtually
async def test_who_waits_while_a_probe_hangs_is_refused() -> None:
    limiter = Limiter()
    await close(limiter)
    probe = asyncio.create_task(call(limiter, 30, Outcome.TIMED_OUT))
    await asyncio.sleep(PROBE_INTERVAL + 1)

    failed = await failure_of(call(limiter, deadline=now() + 5))

    assert failed.failure.kind is Kind.CLOSED
    await probe


@virtually
async def test_a_probe_that_is_answered_lets_those_who_wait_go_on() -> None:
    limiter = Limiter()
    await close(limiter)
    closed_at = now()

    began = await asyncio.gather(*(call(limiter) for _ in range(10)))

    assert began[0] == pytest.approx(closed_at + PROBE_INTERVAL)
    assert began[1] == pytest.approx(closed_at + PROBE_INTERVAL + 0.1)
    assert not limiter.window.is_closed


@virtually
async def test_a_waiter_that_is_cancelled_takes_no_place() -> None:
    limiter = Limiter()
    running = [asyncio.create_task(call(limiter, 1)) for _ in range(2)]
    waiting = [asyncio.create_task(call(limiter)) for _ in range(3)]
    await asyncio.sleep(0.5)

    for task in waiting[:2]:
        task.cancel()
    await asyncio.gather(*running, *waiting, return_exceptions=True)

    assert not waiting[2].cancelled()
    assert limiter.window.in_flight == 0
    assert limiter.snapshot(now())["waiting"] == 0


@virtually
async def test_a_place_given_in_the_moment_of_cancellation_goes_to_the_next() -> None:
    limiter = Limiter()
    limiter.window.share_capacity(1)
    running = asyncio.create_task(call(limiter, 1))
    waiting = [asyncio.create_task(call(limiter)) for _ in range(2)]
    await asyncio.sleep(0.5)

    await running  # its end gives the place to waiting[0], which has not run yet
    waiting[0].cancel()
    await asyncio.gather(*waiting, return_exceptions=True)

    assert waiting[0].cancelled()
    assert not waiting[1].cancelled()
    assert limiter.window.in_flight == 0


@virtually
async def test_a_call_that_is_cancelled_gives_its_place_to_the_next() -> None:
    limiter = Limiter()
    limiter.window.share_capacity(1)
    running = asyncio.create_task(call(limiter, 100))
    waiting = asyncio.create_task(call(limiter))
    await asyncio.sleep(0.5)

    running.cancel()
    began = await waiting

    assert began == now() - 0.1


@virtually
async def test_capacity_is_obeyed_and_may_change_under_way() -> None:
    limiter, most = Limiter(), 0
    limiter.window.share_capacity(3)

    async def watched() -> None:
        nonlocal most
        async with limiter.slot(FAR) as slot:
            most = max(most, limiter.window.in_flight)
            await asyncio.sleep(0.1)
            slot.outcome = Outcome.ANSWERED

    await asyncio.gather(*(watched() for _ in range(30)))
    assert most == 3
    limiter.window.share_capacity(6)
    await asyncio.gather(*(watched() for _ in range(30)))

    assert most == 6


@virtually
async def test_below_one_call_the_rate_follows_the_share() -> None:
    """Four processes at an endpoint that holds two calls: each may have one in flight half of the time."""
    limiter = Limiter()
    limiter.window.share_capacity(0.5)
    for _ in range(40):
        await call(limiter)
    started = now()

    for _ in range(20):
        await call(limiter)

    assert now() - started == pytest.approx(20 * 0.1 / 0.5, rel=0.1)


@virtually
async def test_an_endpoint_of_capacity_two_is_found_and_used() -> None:
    limiter, in_flight, served, refused = Limiter(), 0, 0, 0

    async def endpoint() -> Outcome:
        nonlocal in_flight, served, refused
        if in_flight >= 2:
            refused += 1
            return Outcome.PUSHED_BACK
        in_flight += 1
        await asyncio.sleep(0.1)
        in_flight -= 1
        served += 1
        return Outcome.ANSWERED

    async def worker() -> None:
        for _ in range(100):
            async with limiter.slot(FAR) as slot:
                slot.outcome = await endpoint()

    started = now()
    await asyncio.gather(*(worker() for _ in range(5)))

    assert served / (now() - started) >= 0.75 * 2 / 0.1
    assert refused <= 0.4 * (served + refused)


@pytest.mark.parametrize("seed", range(30))
def test_whatever_happens_nobody_is_forgotten_and_no_place_is_lost(seed: int) -> None:
    draw = random.Random(seed)

    async def storm() -> None:
        limiter = Limiter()
        tasks: list[asyncio.Task[float]] = []
        for _ in range(200):
            outcome = draw.choice(list(Outcome))
            wait = draw.choice([None, None, None, 0.0, 1.0, 30.0])
            attempt = call(limiter, draw.random(), outcome, deadline=now() + draw.uniform(0.1, 60), retry_after=wait)
            tasks.append(asyncio.create_task(attempt))
            if draw.random() < 0.3:
                draw.choice(tasks).cancel()
            if draw.random() < 0.1:
                limiter.window.share_capacity(draw.choice([None, 0.25, 1.0, 4.0]))
            await asyncio.sleep(draw.choice([0, 0, 0.01, 0.3]))
            assert limiter.window.in_flight >= 0
        await asyncio.wait(tasks, timeout=1000)

        assert all(task.done() for task in tasks)
        assert limiter.window.in_flight == 0
        assert limiter.snapshot(now())["waiting"] == 0
        # It still works.
        while True:
            with contextlib.suppress(AttemptFailed):
                await call(limiter)
                break

    run_virtual(storm())


@virtually
async def test_snapshot_tells_the_state() -> None:
    limiter = Limiter()
    assert limiter.snapshot(now()) == {
        "window": 2.0,
        "inFlight": 0,
        "waiting": 0,
        "state": "open",
        "silentAttempts": 0,
    }

    await call(limiter, 0, Outcome.PUSHED_BACK, retry_after=5)
    assert limiter.snapshot(now())["state"] == "paused"
    await close(limiter)

    assert limiter.snapshot(now())["state"] == "closed"
    assert limiter.snapshot(now())["silentAttempts"] == SILENT_ATTEMPTS
