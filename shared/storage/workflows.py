"""Workflows in Table storage: table `bridgeworkflows`."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime

from azure.data.tables.aio import TableServiceClient

from shared.storage.columns import read_document, write_document
from shared.storage.tables import Row, Table
from shared.workflows.catalog import StoredWorkflow

_PARTITION = "workflow"


class TableWorkflows:
    """A workflow is one row: `RowKey` its name in lower case."""

    def __init__(self, service: TableServiceClient) -> None:
        self._workflows = Table(service, "bridgeworkflows")

    async def get(self, name: str) -> StoredWorkflow | None:
        row = await self._workflows.get(_PARTITION, name.lower())
        return None if row is None else _read(row)

    async def list(self) -> Sequence[StoredWorkflow]:
        return [_read(row) async for row in self._workflows.query(_PARTITION)]

    async def save(self, workflow: StoredWorkflow, *, replaces: StoredWorkflow | None) -> bool:
        key, columns = workflow.name.lower(), _columns(workflow)
        if replaces is None:
            return await self._workflows.insert(_PARTITION, key, columns)
        return await self._workflows.replace(_PARTITION, key, columns, replaces.version)

    async def delete(self, workflow: StoredWorkflow) -> bool:
        return await self._workflows.delete(_PARTITION, workflow.name.lower(), workflow.version)


def _columns(workflow: StoredWorkflow) -> dict[str, str | datetime]:
    return {
        "Name": workflow.name,
        "Connection": str(workflow.document["connection"]),
        "PipelineId": workflow.pipeline_id,
        "PipelineVersion": workflow.pipeline_version,
        "Missing": json.dumps(list(workflow.missing)),
        "ETag": workflow.etag,
        "UpdatedAt": workflow.updated_at,
        **write_document(workflow.document),
    }


def _read(row: Row) -> StoredWorkflow:
    return StoredWorkflow(
        name=row["Name"],
        document=read_document(row),
        pipeline_id=row["PipelineId"],
        pipeline_version=row["PipelineVersion"],
        missing=json.loads(row["Missing"]),
        etag=row["ETag"],
        updated_at=datetime.fromisoformat(str(row["UpdatedAt"])).astimezone(UTC),
        version=row.etag,
    )
