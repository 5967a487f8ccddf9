"""Where may the process die? Before and after each effect that a run has outside of it."""

from dataclasses import dataclass

from tests.crash.relay import Effect, When

_BATCH = r"/\$batch$"
_PARTS = r"/bridgeparts"
_SNAPSHOT = r"/bridgeentities\(PartitionKey='snapshot-<name>'"


def _saved(mark: str) -> Effect:
    """The first write of a run of this workflow that holds `mark`."""
    return Effect("POST", _BATCH, ('"Workflow": "<name>"', mark))


def _member(name: str) -> str:
    """A text or a time in the run's document, which is JSON in JSON."""
    return rf"\"{name}\":\""


@dataclass(frozen=True, slots=True)
class Point:
    """One effect, in the order in which a run has them."""

    name: str
    effect: Effect
    replaces: bool = False
    """The entity has rows of an earlier run."""
    exports: bool = False
    """The pipeline takes an entity."""
    waits: bool = False
    """Another run of the workflow waits for its end."""
    cancels: bool = False
    """A person asks for the run's end while its job runs."""
    is_long: bool = False
    """A lease has to run out first."""


POINTS = (
    Point("the run and its claim are stored", _saved('"RowKey": "claim|<name>"')),
    Point("the first step is asked for", Effect("POST", "/run-advance/messages", ("brg-<name>-",))),
    Point("the turn is recorded", _saved(_member("began_at"))),
    Point(
        "an entity is exported",
        Effect("PUT", r"/azureml-blobstore/.*/in/brg-<name>-.*comp=blocklist"),
        exports=True,
        is_long=True,
    ),
    Point("the export is recorded", _saved(r"\"exported\":{\"transactions"), exports=True, is_long=True),
    Point("the job is announced", _saved(r"\"submitting\":true")),
    Point("the job is sent", Effect("PUT", "/jobs/brg-<name>-")),
    Point("the job is recorded", _saved('"Status": "running"')),
    Point("the next look is asked for", Effect("POST", r"/run-advance/messages\?visibilitytimeout", ("brg-<name>-",))),
    Point("the job's end is recorded", _saved('"Status": "importing"')),
    Point("the planning is announced", _saved(_member("working_until")), is_long=True),
    Point("the plan is stored", Effect("PUT", "/bridge/runs/brg-<name>-.*/plan-"), is_long=True),
    Point("the snapshot is noted", Effect("PUT", _SNAPSHOT), is_long=True),
    Point("the table is made", Effect("POST", "/Tables$", ('"TableName": "<name>2',)), is_long=True),
    Point("the plan is recorded", _saved(_member("snapshot")), is_long=True),
    Point("the second part is asked for", Effect("POST", "/import-part/messages", ("brg-<name>-",), nth=2)),
    Point("the asking is recorded", _saved(_member("sent_at")), is_long=True),
    Point("a part is leased", Effect("POST", _PARTS, ("brg-<name>-",)), is_long=True),
    Point("rows are written, the 20th time", Effect("POST", _BATCH, ("/<name>2",), nth=20), is_long=True),
    Point("a part is done", Effect("PUT", _PARTS, ('"State": "done"', "brg-<name>-")), is_long=True),
    Point("the rows are counted", Effect("PUT", _SNAPSHOT, nth=2), replaces=True),
    Point("the verdict is recorded", _saved('"Status": "publishing"'), replaces=True),
    Point("the snapshot is dated", Effect("PUT", _SNAPSHOT, nth=3), replaces=True),
    Point(
        "readers are led to the new rows",
        Effect("PUT", r"/bridgeentities\(PartitionKey='entity',RowKey='<name>'"),
        replaces=True,
    ),
    Point("the end is recorded and the claim given up", _saved('"Status": "succeeded"'), replaces=True),
    Point("the end is recorded while another run waits", _saved('"Status": "succeeded"'), waits=True),
    Point("the end is told", Effect("POST", "/run-events/messages", ("brg-<name>-",)), is_long=True),
    Point(
        "that the end was told is recorded",
        Effect("POST", _BATCH, ('"Workflow": "<name>"', '"Status": "succeeded"', r"\"announcing\":[]")),
        is_long=True,
    ),
    Point("a cancellation is recorded", _saved(_member("cancel_requested_at")), cancels=True),
    Point("the job is told to end", Effect("POST", "/jobs/brg-<name>-.*/cancel"), cancels=True),
    Point("the canceled end is recorded", _saved('"Status": "canceled"'), cancels=True),
)


@dataclass(frozen=True, slots=True)
class Scenario:
    """A death at one point."""

    number: int
    point: Point
    when: When

    @property
    def name(self) -> str:
        """Of its workflow and its entity."""
        return f"p{self.number:02d}{self.when.value}"

    @property
    def title(self) -> str:
        return f"{self.when.value} {self.point.name}"


SCENARIOS = tuple(Scenario(number, point, when) for number, point in enumerate(POINTS, 1) for when in When)
