"""How does a test set the scene for jobs?

GET    /control/jobs                 {"counts": {"submitted", "repeated", "invoked", …}, "plans": […], "progression",
                                      "delivery", "events": {"sent"}, "value": [{"name", "status", "timeline", …}]}
PATCH  /control/jobs                 {"progression": {"manual", "queued": seconds, …}, "delivery": {"schemaName", …}}
POST   /control/jobs/plans           a plan for the next jobs (jobs/plans.py)
POST   /control/jobs/{job}/advance   on to the next status: from a manual one, or out of the endless queue
DELETE /control/jobs                 kill and forget all
PATCH  /control/workspaces/{name}    {"permissions": [{"actions", "notActions"}], "v1LegacyMode", "private",
                                    "deletedDatastores": [names]}
"""

from dataclasses import dataclass
from typing import Any

from pydantic import Field
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from simulator.arm.models import Permission, Workspace
from simulator.arm.workspaces import Workspaces
from simulator.events import Delivery, Events
from simulator.jobs.models import Job
from simulator.jobs.plans import JobPlan, Progression
from simulator.jobs.store import Jobs
from simulator.wire import Control, read


class JobSettings(Control):
    progression: Progression | None = None
    delivery: Delivery | None = None


class PermissionSetting(Control):
    actions: list[str]
    not_actions: list[str] = Field(default_factory=list)


class WorkspaceSetting(Control):
    permissions: list[PermissionSetting] | None = None
    v1_legacy_mode: bool | None = None
    private: bool | None = None
    deleted_datastores: list[str] | None = None


@dataclass
class JobControls:
    workspaces: Workspaces
    jobs: Jobs
    events: Events

    def routes(self) -> list[Route]:
        return [
            Route("/control/jobs", self.get_jobs, methods=["GET"]),
            Route("/control/jobs", self.change_settings, methods=["PATCH"]),
            Route("/control/jobs", self.forget, methods=["DELETE"]),
            Route("/control/jobs/plans", self.add_plan, methods=["POST"]),
            Route("/control/jobs/{job}/advance", self.advance, methods=["POST"]),
            Route("/control/workspaces/{workspace}", self.change_workspace, methods=["PATCH"]),
        ]

    async def get_jobs(self, request: Request) -> Response:
        return JSONResponse(
            {
                "counts": dict(self.jobs.counts),
                "events": dict(self.events.counts),
                "plans": [plan.model_dump(by_alias=True) for plan in self.jobs.plans.waiting],
                "progression": self.jobs.runner.progression.model_dump(by_alias=True),
                "delivery": self.events.delivery.model_dump(by_alias=True),
                "value": [seen(job) for job in self.jobs.all()],
            }
        )

    async def change_settings(self, request: Request) -> Response:
        """Each as a whole: what it leaves out is the default again."""
        new = await read(request, JobSettings)
        if new.progression is not None:
            self.jobs.runner.progression = new.progression
        if new.delivery is not None:
            self.events.delivery = new.delivery
        return await self.get_jobs(request)

    async def forget(self, request: Request) -> Response:
        await self.jobs.forget()
        self.events.counts.clear()
        return Response(status_code=204)

    async def add_plan(self, request: Request) -> Response:
        self.jobs.plans.waiting.append(await read(request, JobPlan))
        return Response(status_code=204)

    async def advance(self, request: Request) -> Response:
        name = request.path_params["job"]
        found = [job for job in self.jobs.all() if job.name == name]
        if not found:
            raise HTTPException(404, f"no job {name}")
        found[0].advanced.set()
        return Response(status_code=204)

    async def change_workspace(self, request: Request) -> Response:
        workspace = self._workspace(request.path_params["workspace"])
        new = await read(request, WorkspaceSetting)
        if new.permissions is not None:
            workspace.permissions = [Permission(each.actions, each.not_actions) for each in new.permissions]
        if new.v1_legacy_mode is not None:
            workspace.is_v1_legacy = new.v1_legacy_mode
        if new.private is not None:
            workspace.is_private = new.private
        if new.deleted_datastores is not None:
            workspace.hidden_datastores = frozenset(name.lower() for name in new.deleted_datastores)
        return Response(status_code=204)

    def _workspace(self, name: str) -> Workspace:
        for workspace in self.workspaces.all:
            if workspace.name == name:
                return workspace
        raise HTTPException(404, f"no workspace {name}")


def seen(job: Job) -> dict[str, Any]:
    return {
        "name": job.name,
        "workspace": job.workspace.name,
        "by": job.by,
        "status": job.status,
        "timeline": [{"status": status, "at": at.isoformat()} for status, at in job.timeline],
        "failure": job.failure and job.failure.message,
        "inputs": job.properties.get("inputs"),
        "outputs": job.properties.get("outputs"),
    }
