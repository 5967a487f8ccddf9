"""What an edit does to the version that a workflow was saved with."""

from datetime import UTC, datetime
from typing import Any

import pytest

from shared.conditions import Conditions
from shared.workflows.catalog import WorkflowCatalog
from shared.workflows.connections import Connection, Consent
from tests.workflows.fakes import WORKSPACE, stored_workflow
from tests.workflows.run_fakes import MemoryWorkflows
from tests.workflows.run_world import FakeWorkspace

NOW = datetime(2026, 11, 21, 6, tzinfo=UTC)


async def connection(name: str) -> Connection:
    return Connection(name, "tenant", WORKSPACE.path, "westeurope", Consent("somebody", NOW, "1"), '"e"')


@pytest.mark.parametrize(
    ("patch", "version"),
    [
        ({"timeout": "PT2H"}, "3"),
        ({"pipelineVersion": "1"}, "3"),
        ({"pipelineVersion": None}, "3"),
        ({"pipeline": "customer_value"}, "9"),
    ],
)
async def test_a_patch_keeps_the_version_unless_it_names_the_pipeline(patch: dict[str, Any], version: str) -> None:
    store, workspace = MemoryWorkflows({"churn": stored_workflow("churn")}), FakeWorkspace(newest="9")
    catalog = WorkflowCatalog(store, connection, lambda tenant: workspace)

    patched = await catalog.patch("churn", patch, Conditions(), NOW)

    assert patched.pipeline_version == version
