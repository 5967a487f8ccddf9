"""Which jobs are there? A name is one job for good: asked for again, the job that is there is the answer."""

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from simulator.arm.models import Workspace
from simulator.jobs.models import Job, Status
from simulator.jobs.plans import Plans
from simulator.jobs.requests import check_job
from simulator.jobs.runner import Runner


@dataclass
class Jobs:
    """`counts`: submitted, repeated, invoked, cancelRequested, deleted."""

    runner: Runner
    plans: Plans = field(default_factory=Plans)
    counts: Counter[str] = field(default_factory=Counter)
    _jobs: dict[str, Job] = field(default_factory=dict)
    _cancelling: set["asyncio.Task[None]"] = field(default_factory=set)

    def all(self, workspace: Workspace | None = None) -> list[Job]:
        """The newest last."""
        return [job for job in self._jobs.values() if workspace in (None, job.workspace)]

    def find(self, workspace: Workspace, name: str) -> Job | None:
        return self._jobs.get(f"{workspace.id}/{name}".lower())

    def submit(self, workspace: Workspace, name: str, properties: Mapping[str, Any]) -> tuple[Job, bool]:
        """The job, and whether it is new. Raises ProviderError."""
        if job := self.find(workspace, name):
            self.counts["repeated"] += 1
            return job, False
        return self._start(workspace, name, properties, by="submitted"), True

    def invoke(self, workspace: Workspace, name: str, properties: Mapping[str, Any]) -> Job:
        """Raises ProviderError."""
        return self._start(workspace, name, properties, by="invoked")

    def cancel(self, job: Job) -> None:
        """Safe to repeat; of a job that is over nothing changes."""
        self.counts["cancelRequested"] += 1
        if job.is_over or job.status == Status.CANCEL_REQUESTED:
            return
        job.enter(Status.CANCEL_REQUESTED)
        task = asyncio.create_task(self.runner.cancel(job))
        self._cancelling.add(task)
        task.add_done_callback(self._cancelling.discard)

    def delete(self, job: Job) -> None:
        self.counts["deleted"] += 1
        del self._jobs[f"{job.workspace.id}/{job.name}".lower()]

    async def forget(self) -> None:
        """All jobs, plans and counts; what runs is killed."""
        tasks = [job.task for job in self._jobs.values() if job.task is not None] + list(self._cancelling)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        self._jobs.clear()
        self.plans.waiting.clear()
        self.counts.clear()

    def _start(self, workspace: Workspace, name: str, properties: Mapping[str, Any], by: str) -> Job:
        check_job(workspace, name, properties)
        job = Job(workspace, name, dict(properties), by, self.plans.take(name))
        self._jobs[f"{workspace.id}/{name}".lower()] = job
        self.counts[by] += 1
        job.task = asyncio.create_task(self.runner.run(job))
        return job
