"""A workflow as the API tells it: its document, what is missing, when it runs next, how its last run went, what readers see."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from shared.entities.snapshots import Entity, EntityStore, Snapshot
from shared.workflows.catalog import StoredWorkflow
from shared.workflows.refreshing import Claim, RunStore
from shared.workflows.runs import render_run, rfc3339


class WorkflowViews:
    """Renders workflows. Raises StorageUnavailable."""

    def __init__(self, runs: RunStore, entities: EntityStore, now: Callable[[], datetime]) -> None:
        self._runs = runs
        self._entities = entities
        self._now = now

    async def render_all(self, workflows: Sequence[StoredWorkflow]) -> list[dict[str, Any]]:
        """Of many, claims and entities are read at once."""
        if len(workflows) == 1:
            claims = [await self._runs.claim_of(workflows[0].name)]
            found = await self._entities.get(workflows[0].entity)
            entities = [found] if found else []
        else:
            claims, entities = list(await self._runs.claims()), list(await self._entities.list())
        by_workflow = {claim.workflow.lower(): claim for claim in claims}
        by_name = {entity.name.lower(): entity for entity in entities}
        rendered = (
            self._render(item, by_workflow.get(item.name.lower()), by_name.get(item.entity.lower()))
            for item in workflows
        )
        return list(await asyncio.gather(*rendered))

    async def _render(self, workflow: StoredWorkflow, claim: Claim | None, entity: Entity | None) -> dict[str, Any]:
        rendered = workflow.render(self._now())
        stored = await self._runs.get(claim.latest) if claim and claim.latest else None
        if stored is not None:
            rendered["lastRun"] = render_run(stored.run)
        is_own = entity is not None and entity.workflow.lower() == workflow.name.lower()
        if entity is not None and entity.current is not None and is_own:
            rendered["published"] = _render_published(entity.current)
        return rendered


def _render_published(current: Snapshot) -> dict[str, Any]:
    at = current.published_at
    return {"snapshot": current.table, "rows": current.rows, "at": rfc3339(at) if at else None, "run": current.run}
