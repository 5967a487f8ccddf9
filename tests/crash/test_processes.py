"""Two processes of the app on one storage account."""

import pytest

from tests.crash.lane import open_lane
from tests.crash.outcomes import SOON, ask, check, output, save_workflow, until, warm_up
from tests.crash.relay import Loop
from tests.devhost.running import eventually

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

PARTS, ROWS = 32, 2500
# Some ten seconds for one process: an idle one looks for messages each five.


def test_two_processes_share_the_parts_of_a_run(loop: Loop) -> None:
    with open_lane(loop, IMPORT_PARALLELISM="1") as lane:
        warm_up(lane)
        save_workflow(lane, "shared")
        lane.plan_output(output("new", PARTS, ROWS))

        with lane.another():
            run = ask(lane, "shared", "new")
            assert run is not None
            until(lane, run, "succeeded", patience=120)

        workers = [part["ProcessId"] for part in lane.rows("bridgeparts", run)]
        check(lane, "shared", run, parts=PARTS, rows=ROWS)
    assert len(workers) == PARTS
    assert len(set(workers)) == 2


def test_what_a_dead_process_had_begun_is_done_by_the_other(loop: Loop) -> None:
    with open_lane(loop, IMPORT_PARALLELISM="1") as lane:
        warm_up(lane)
        save_workflow(lane, "left")
        lane.plan_output(output("new", PARTS, ROWS))

        with lane.another() as survivor:
            run = ask(lane, "left", "new")
            assert run is not None
            eventually(lambda: len({part["ProcessId"] for part in lane.rows("bridgeparts", run)}) == 2, 60)
            lane.kill()
            eventually(lambda: survivor.call("GET", f"runs/{run}").json["status"] == "succeeded", SOON)

        lane.start()
        attempts = [part["Attempts"] for part in lane.rows("bridgeparts", run)]
        check(lane, "left", run, parts=PARTS, rows=ROWS)
    assert max(attempts) == 2
