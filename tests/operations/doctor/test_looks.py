"""Looks: each within its time, all within the whole's, and what goes wrong at one is told of that one."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from shared.errors import NotFound, StorageUnavailable
from shared.operations.doctor.findings import Check, failed, ok
from shared.operations.doctor.looks import Fault, Looks
from shared.operations.doctor.rounds import examine_each
from shared.skills.failures import Failure, Kind
from shared.skills.gateway import AttemptFailed
from tests.support.virtual_time import run_virtual

SENTINEL = "sentinel-of-a-payload"


def looks(**limits: float) -> Looks:
    return Looks(asyncio.get_running_loop().time, at_once=int(limits.pop("at_once", 8)), **limits)


def raising(error: Exception) -> Callable[[], Awaitable[None]]:
    async def look() -> None:
        raise error

    return look


async def lasting(seconds: float) -> str:
    await asyncio.sleep(seconds)
    return "found"


def caused_by(status: int) -> StorageUnavailable:
    class Answered(Exception):
        status_code = status

    error = StorageUnavailable("table storage refused this app")
    error.__cause__ = Answered()
    return error


@pytest.mark.parametrize(
    ("error", "message", "code", "status"),
    [
        (NotFound("no such thing"), "no such thing", "NotFound", None),
        (caused_by(403), "table storage refused this app", "StorageUnavailable", 403),
        (
            AttemptFailed(Failure(Kind.ARM_NOT_FOUND, facts={"scope": "/subscriptions/1", "status": 404})),
            "Azure Resource Manager does not know the endpoint e: check the skill's resourceId (/subscriptions/1).",
            "EndpointDoesNotExist",
            404,
        ),
        (
            ZeroDivisionError(SENTINEL),
            "the look at the endpoint e failed in this app (ZeroDivisionError), which it should not",
            "InternalError",
            None,
        ),
    ],
)
async def test_what_goes_wrong_is_a_fault_for_people(
    error: Exception, message: str, code: str, status: int | None
) -> None:
    found = await looks().at(raising(error), of="the endpoint e")

    assert found == Fault(message, code, status)


def test_a_look_that_takes_too_long_ends_and_the_others_do_not() -> None:
    async def main() -> list[object]:
        held = looks(most_seconds=10)
        return list(
            await asyncio.gather(
                held.at(lambda: lasting(9.5), of="a"),
                held.at(lambda: lasting(600), of="b"),
                held.at(lambda: lasting(1)),
            )
        )

    assert run_virtual(main()) == ["found", Fault("b gave no answer within 10 s", "TimedOut"), "found"]


def test_only_so_many_are_under_way() -> None:
    async def main() -> int:
        under_way, most = 0, 0

        async def look() -> None:
            nonlocal under_way, most
            under_way += 1
            most = max(most, under_way)
            await asyncio.sleep(1)
            under_way -= 1

        held = looks(at_once=3)
        await asyncio.gather(*(held.at(look) for _ in range(20)))
        return most

    assert run_virtual(main()) == 3


def test_all_of_them_end_before_the_platform_ends_the_request() -> None:
    """However much there is to look at, and however slow all of it is."""

    async def main() -> tuple[float, list[str | Fault]]:
        held, began = looks(), asyncio.get_running_loop().time()
        found = list(await asyncio.gather(*(held.at(lambda: lasting(600)) for _ in range(1000))))
        return asyncio.get_running_loop().time() - began, found

    seconds, found = run_virtual(main())

    assert seconds <= 200
    late = [fault for fault in found if isinstance(fault, Fault) and fault.is_late]
    assert len(found) == 1000
    assert len(late) == 1000 - 8 * 18
    assert "ask for less with ?only=" in late[0].message


async def test_one_subject_that_fails_in_this_app_hides_no_other() -> None:
    async def well() -> list[object]:
        return [ok(Check.SKILL_STORED, "a", "well")]

    async def broken() -> list[object]:
        raise KeyError(SENTINEL)

    found = await examine_each(Check.SKILL_STORED, {"a": well(), "b": broken(), "c": well()}, "az …")  # type: ignore[dict-item]

    assert found[0] == ok(Check.SKILL_STORED, "a", "well") == found[2]
    assert found[1] == failed(
        Check.SKILL_STORED,
        "b",
        "the look at b failed in this app (KeyError), which it should not",
        "report it with the request's id; the log of the app has its place",
        "az …",
    )
