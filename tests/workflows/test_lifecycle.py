"""How a run moves: every status, every fact, in every order."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.workflows.facts import (
    Began,
    CancelRequested,
    Discarded,
    Exported,
    Fact,
    Failed,
    FailedForNow,
    ImportPlanned,
    JobFailed,
    JobSeen,
    Judged,
    LookAgain,
    PartsSeen,
    PartsSent,
    Published,
    PublishRefused,
    PublishRequested,
    Rested,
    Submitting,
    TimePassed,
    Working,
)
from shared.workflows.lifecycle import Step, apply, next_step
from shared.workflows.runs import ImportProgress, RunOutput, RunStatus
from tests.workflows.fakes import document
from tests.workflows.lifecycle_runs import (
    BEGAN,
    BUSY,
    ERROR,
    GOOD,
    HOUR,
    MINUTE,
    NOON,
    OUTPUT,
    PLANNED,
    SUBMITTING,
    TERMINAL,
    TIMEOUT,
    UP_TO,
    after,
    at,
    fresh,
    job,
)

ONE_OF_EACH: dict[str, Fact] = {
    "began": BEGAN,
    "working": Working(NOON + HOUR),
    "rested": Rested(),
    "look again": LookAgain(NOON + HOUR),
    "exported": Exported("prior", "azureml://datastores/d/paths/p"),
    "submitting": SUBMITTING,
    "job queued": JobSeen(job("Queued")),
    "job running": JobSeen(job("Running")),
    "job completed": JobSeen(job("Completed")),
    "job failed, reason to come": JobSeen(job("Failed")),
    "job canceled": JobSeen(job("Canceled")),
    "job failed": JobFailed(job("Failed"), ERROR),
    "planned": PLANNED,
    "parts sent": PartsSent(),
    "part done": PartsSeen(ImportProgress(2, 1)),
    "good": Judged([]),
    "bad": Judged(["too few rows"]),
    "published": Published(),
    "refused": PublishRefused(["pinned"]),
    "cancel": CancelRequested(),
    "discard": Discarded(),
    "publish": PublishRequested(),
    "failed": Failed(ERROR),
    "failed for now": FailedForNow(BUSY),
    "time": TimePassed(TIMEOUT),
}
_SUBMITTED = {
    "job queued": "running",
    "job running": "running",
    "job completed": "importing",
    "job failed, reason to come": "running",
    "job canceled": "canceled",
    "job failed": "failed",
    "failed": "failed",
}
MOVES: dict[str, dict[str, str]] = {
    "queued": {**_SUBMITTED, "cancel": "canceled"},
    "begun": {**_SUBMITTED, "cancel": "canceled"},
    "submitting": _SUBMITTED,
    "running": _SUBMITTED,
    "importing": {"cancel": "canceled", "failed": "failed"},
    "planned": {"cancel": "canceled", "failed": "failed"},
    "sent": {"cancel": "canceled", "failed": "failed"},
    "imported": {"good": "publishing", "bad": "held", "cancel": "canceled", "failed": "failed"},
    "publishing": {"published": "succeeded", "refused": "held", "failed": "failed"},
    "held": {"publish": "publishing", "discard": "canceled", "cancel": "canceled"},
    "succeeded": {},
    "failed": {},
    "canceled": {},
}
"""What moves a run, and where to; every other fact leaves its status."""


@pytest.mark.parametrize("fact", ONE_OF_EACH)
@pytest.mark.parametrize("place", UP_TO)
def test_every_fact_at_every_status(place: str, fact: str) -> None:
    run = at(place)

    moved = apply(run, ONE_OF_EACH[fact], NOON + MINUTE)

    assert moved.status == MOVES[place].get(fact, run.status)
    assert (len(moved.timeline) > len(run.timeline)) == (moved.status != run.status)
    assert [entry.status for entry in moved.timeline][-1] == moved.status


@pytest.mark.parametrize("fact", ONE_OF_EACH)
@pytest.mark.parametrize("place", TERMINAL)
def test_a_terminal_run_never_moves(place: str, fact: str) -> None:
    run = at(place)

    assert apply(run, ONE_OF_EACH[fact], NOON + 1000 * HOUR) is run


LATE = [
    ("begun", "began"),
    ("running", "began"),
    ("running", "rested"),
    ("running", "parts sent"),
    ("running", "planned"),
    ("importing", "began"),
    ("importing", "parts sent"),
    ("importing", "refused"),
    ("publishing", "parts sent"),
    ("held", "working"),
    ("held", "refused"),
    ("running", "exported"),
    ("running", "submitting"),
    ("importing", "exported"),
    ("importing", "submitting"),
    ("importing", "job running"),
    ("importing", "job failed"),
    ("imported", "planned"),
    ("imported", "part done"),
    ("publishing", "part done"),
    ("publishing", "bad"),
    ("publishing", "cancel"),
    ("held", "job completed"),
    ("held", "good"),
    ("held", "failed"),
    ("held", "failed for now"),
]


@pytest.mark.parametrize(("place", "fact"), LATE)
def test_a_late_fact_changes_nothing(place: str, fact: str) -> None:
    run = at(place)

    assert apply(run, ONE_OF_EACH[fact], NOON + MINUTE) is run


@pytest.mark.parametrize("count", range(1, len(GOOD) + 1))
def test_a_fact_told_twice_is_told_once(count: int) -> None:
    once = after(GOOD[:count])

    assert after(GOOD[count - 1 : count], once) == once


@given(st.lists(st.sampled_from(GOOD), max_size=40))
def test_the_facts_of_a_good_run_in_any_order_end_well(shuffled: list[Fact]) -> None:
    run = fresh()
    for fact in shuffled:
        moved = apply(run, fact, NOON)
        assert not run.status.is_terminal or moved is run
        run = moved

    run = after(GOOD, run)

    assert run.status is RunStatus.SUCCEEDED
    assert [entry.status.value for entry in run.timeline] == [
        "queued",
        "running",
        "importing",
        "publishing",
        "succeeded",
    ]


@given(st.lists(st.tuples(st.sampled_from(list(ONE_OF_EACH.values())), st.integers(0, 600)), max_size=40))
def test_no_order_of_any_facts_leaves_a_terminal_status(facts: list[tuple[Fact, int]]) -> None:
    run, now = fresh(), NOON
    for fact, minutes in facts:
        now += minutes * MINUTE
        moved = apply(run, fact, now)
        assert not run.status.is_terminal or moved is run
        assert moved.timeline[: len(run.timeline)] == run.timeline
        run = moved


def test_an_unfinished_import_is_not_judged() -> None:
    run = after([*GOOD[:10], Judged([])])

    assert run.status is RunStatus.IMPORTING


def test_an_empty_plan_is_imported_at_once() -> None:
    assert after([*GOOD[:7], ImportPlanned("s", 0, "plan"), Judged(["no rows"])]).status is RunStatus.HELD


def test_the_first_submission_pins_version_place_and_time() -> None:
    run = apply(at("submitting"), Submitting("component:4", RunOutput("other", "x")), NOON + HOUR)

    assert (run.pipeline_id, run.output, run.submitted_at) == ("component:3", OUTPUT, NOON)


STEPS = {
    "queued": Step.BEGIN,
    "begun": Step.PREPARE_JOB,
    "submitting": Step.SUBMIT,
    "running": Step.WATCH_JOB,
    "importing": Step.PLAN_IMPORT,
    "planned": Step.SEND_PARTS,
    "sent": Step.WATCH_PARTS,
    "publishing": Step.PUBLISH,
    "held": Step.NONE,
    "succeeded": Step.NONE,
    "failed": Step.NONE,
    "canceled": Step.NONE,
}


@pytest.mark.parametrize(("place", "step"), STEPS.items())
def test_the_next_step(place: str, step: Step) -> None:
    assert next_step(at(place), NOON) is step


def test_entities_are_exported_before_the_job_is_sent() -> None:
    run = at("begun")

    assert next_step(run, NOON, exports=["prior"]) is Step.EXPORT
    assert next_step(apply(run, GOOD[1], NOON), NOON, exports=["prior"]) is Step.PREPARE_JOB


def test_a_run_begins_before_anything_is_exported() -> None:
    assert next_step(fresh(), NOON, exports=["prior"]) is Step.BEGIN


def test_a_run_begins_once_with_the_workflow_of_that_moment() -> None:
    run = apply(fresh(), BEGAN, NOON + MINUTE)

    again = apply(run, Began(document(outputEntity="Other"), "5"), NOON + HOUR)

    assert (run.began_at, run.definition, run.pipeline_version) == (NOON + MINUTE, document(), "4")
    assert again is run


def test_an_import_of_a_former_output_sends_no_job() -> None:
    run = replace(at("begun"), source="run-0", job=job("Completed"), output=OUTPUT)

    assert next_step(run, NOON, exports=["prior"]) is Step.REUSE_JOB
    assert apply(run, JobSeen(job("Completed")), NOON).status is RunStatus.IMPORTING


@pytest.mark.parametrize("place", ["begun", "running", "importing", "publishing"])
def test_nobody_begins_a_step_while_somebody_is_at_one(place: str) -> None:
    run = apply(at(place), Working(NOON + MINUTE), NOON)

    assert next_step(run, NOON + MINUTE / 2) is Step.NONE
    assert next_step(run, NOON + MINUTE) is STEPS[place]
    assert next_step(apply(run, Rested(), NOON), NOON) is STEPS[place]


def test_who_moves_on_is_at_no_step_any_more() -> None:
    run = after([Working(NOON + HOUR), JobSeen(job("Running"))], at("submitting"))

    assert next_step(run, NOON) is Step.WATCH_JOB


def test_the_last_word_on_when_to_look_again_counts() -> None:
    run = after([LookAgain(NOON + HOUR), LookAgain(NOON + MINUTE)], at("running"))

    assert run.wake_at == NOON + MINUTE


def test_parts_sent_again_are_sent_later() -> None:
    run = apply(at("sent"), PartsSent(), NOON + MINUTE)

    assert (at("planned").sent_at, at("sent").sent_at, run.sent_at) == (None, NOON, NOON + MINUTE)


def test_a_refused_publication_is_held_and_says_why() -> None:
    run = apply(at("publishing"), PublishRefused(["pinned", "since noon"]), NOON)

    assert (run.held_for, run.timeline[-1].note) == (("pinned", "since noon"), "pinned; since noon")
    assert apply(run, PublishRequested(), NOON).by_hand
