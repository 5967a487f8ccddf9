"""Workflows in Table storage: table `bridgeworkflows`."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime

from azure.data.tables.aio import TableServiceClient

from shared.storage.columns import read_document, write_document
from shared.storage.resources import NamedRows
from shared.storage.tables import Row
from shared.workflows.catalog import StoredWorkflow


class TableWorkflows(NamedRows[StoredWorkflow]):
    def __init__(self, service: TableServiceClient) -> None:
        super().__init__(service, "bridgeworkflows", "workflow", write=_columns, read=_read)

    async def workflows_of(self, connection: str) -> Sequence[str]:
        """The names of those that use a connection, without regard to case."""
        found = await self.list()
        return [item.name for item in found if str(item.document["connection"]).lower() == connection.lower()]


def _columns(workflow: StoredWorkflow) -> dict[str, str | datetime]:
    return {
        "Name": workflow.name,
        "Connection": str(workflow.document["connection"]),
        "PipelineId": workflow.pipeline_id,
        "PipelineVersion": workflow.pipeline_version,
        "Missing": json.dumps(list(workflow.missing)),
        "ETag": workflow.etag,
        "UpdatedAt": workflow.updated_at,
        "ScheduledAt": workflow.schedule_since,
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
        updated_at=_moment(row["UpdatedAt"]),
        version=row.etag,
        scheduled_at=_moment(row["ScheduledAt"]) if "ScheduledAt" in row else None,
    )


def _moment(value: object) -> datetime:
    return datetime.fromisoformat(str(value)).astimezone(UTC)
