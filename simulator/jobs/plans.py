"""What shall become of the next jobs, and how fast? Set under /control (jobs/control.py)."""

from typing import Annotated, Literal

from pydantic import Field

from simulator.wire import Control

Seconds = Annotated[float, Field(ge=0, le=86_400)]


class JobPlan(Control):
    """Applies to the next `jobs` jobs whose name starts with `name`. Without any other member they simply run."""

    jobs: Annotated[int, Field(ge=1)] = 1
    name: str = ""
    fault: Literal["queuedForEver", "notResponding", "noOutput", "fail"] | None = None
    seconds: Seconds = 0
    """How long it does not respond, or more than it would it runs."""
    message: str = "The simulator was told to fail."
    files: dict[str, str] | None = None
    """The output, by name, instead of what the steps would write; the steps do not run."""
    encoding: str = "utf-8"


class Progression(Control):
    """How long a job stays in each status; `manual`: until it is advanced (but for what takes time by itself)."""

    manual: bool = False
    not_started: Seconds = 0.1
    preparing: Seconds = 0.2
    queued: Seconds = 0.2
    running: Seconds = 0
    finalizing: Seconds = 0.1
    cancel_requested: Seconds = 0.2


class Plans:
    """In the order they came."""

    def __init__(self) -> None:
        self.waiting: list[JobPlan] = []

    def take(self, name: str) -> JobPlan:
        """The plan for a new job of this name."""
        for plan in self.waiting:
            if name.startswith(plan.name):
                plan.jobs -= 1
                self.waiting = [each for each in self.waiting if each.jobs > 0]
                return plan
        return JobPlan()
