"""The routes of connections, workflows and runs."""

from shared.openapi.operations import (
    ETAG,
    FOLLOW,
    GONE,
    IF_MATCH,
    IF_NONE_MATCH,
    OPERATION_ID,
    TRUTH,
    Answer,
    Operation,
    lists,
    one_of,
    option,
    reads,
    saves,
    whole,
)
from shared.openapi.values import Patch
from shared.openapi.workflow_shapes import (
    Connection,
    Connections,
    Consent,
    Datastores,
    Pipelines,
    Run,
    Runs,
    SavedOrReview,
    Workflow,
    Workflows,
)
from shared.workflows.connecting import ConnectionDocument
from shared.workflows.definition import WorkflowDefinition
from shared.workflows.runs import RunStatus

_CONNECTIONS = "/api/connections"
_CONNECTION = "/api/connections/{connection}"
_WORKFLOWS = "/api/workflows"
_WORKFLOW = "/api/workflows/{workflow}"
_RUN = "/api/runs/{run}"

_WHEN_ACTIVE = "While a run is active: `return` that run, `queue` one behind it, or `fail` with 409."
_FILTERS = (
    option("status", "Only runs with this status.", one_of(*RunStatus)),
    option(
        "since", "Only runs that began at this time or later, as RFC 3339.", {"type": "string", "format": "date-time"}
    ),
    option("top", "Runs on a page.", whole(1, 1000, 100)),
    option("skiptoken", "From a `nextLink`."),
)
_ACCEPTED = {
    202: Answer("Taken; the run as it stands.", Run, headers=FOLLOW),
    200: Answer("The run has ended already.", Run, headers={"Operation-Location": FOLLOW["Operation-Location"]}),
}

CONNECTION_OPERATIONS = (
    Operation("get_consent", "GET", "/api/consent", "Read what a connection consents to", reads(Consent)),
    Operation("list_connections", "GET", _CONNECTIONS, "List connections", lists(Connections)),
    Operation(
        "put_connection",
        "PUT",
        _CONNECTION,
        "Connect a workspace",
        saves(Connection),
        "Checks consent, the workspace, its tenant and this app's rights in it. A missing right is a 403 that names it, "
        "the role that has it, and the `az` command that grants it.",
        (IF_MATCH, IF_NONE_MATCH),
        ConnectionDocument,
        errors=(400, 403, 404, 409, 412, 422, 503),
    ),
    Operation(
        "get_connection",
        "GET",
        _CONNECTION,
        "Read a connection",
        {200: Answer("As it was saved.", Connection, headers=ETAG)},
        errors=(404,),
    ),
    Operation(
        "delete_connection",
        "DELETE",
        _CONNECTION,
        "Delete a connection that no workflow uses",
        GONE,
        parameters=(IF_MATCH,),
        errors=(404, 409, 412),
    ),
    Operation(
        "list_pipelines",
        "GET",
        f"{_CONNECTION}/pipelines",
        "List the workspace's pipelines, eligible or not",
        lists(Pipelines),
        errors=(403, 404, 503),
    ),
    Operation(
        "list_datastores",
        "GET",
        f"{_CONNECTION}/datastores",
        "List the datastores that an output can go to",
        lists(Datastores),
        errors=(403, 404, 503),
    ),
)

WORKFLOW_OPERATIONS = (
    Operation("list_workflows", "GET", _WORKFLOWS, "List workflows", lists(Workflows)),
    Operation(
        "put_workflow",
        "PUT",
        _WORKFLOW,
        "Save a workflow, review it, or save and run it",
        {
            201: Answer("It is new.", Workflow, headers=ETAG),
            200: Answer("It was replaced, or reviewed.", SavedOrReview, headers=ETAG),
            202: Answer("Saved, and its run began.", Workflow, headers={**ETAG, **FOLLOW}),
        },
        "With `dryRun=true` nothing is saved: the answer (200) is what would be saved, what is missing, and the exact job.",
        (
            option("dryRun", "Review only.", TRUTH),
            option("run", "Save and run.", TRUTH),
            option("whenActive", _WHEN_ACTIVE, one_of("return", "queue", "fail", default="queue")),
            IF_MATCH,
            IF_NONE_MATCH,
        ),
        WorkflowDefinition,
        errors=(400, 403, 404, 409, 412, 503),
    ),
    Operation(
        "patch_workflow",
        "PATCH",
        _WORKFLOW,
        "Change some of a workflow",
        {200: Answer("As it is now.", Workflow, headers=ETAG)},
        parameters=(IF_MATCH,),
        takes=Patch,
        errors=(400, 404, 409, 412, 503),
    ),
    Operation(
        "get_workflow",
        "GET",
        _WORKFLOW,
        "Read a workflow, its last run and what is published",
        {200: Answer("As it stands.", Workflow, headers=ETAG)},
        errors=(404,),
    ),
    Operation(
        "delete_workflow",
        "DELETE",
        _WORKFLOW,
        "Delete a workflow; an active run is canceled, the entity stays",
        GONE,
        parameters=(IF_MATCH,),
        errors=(404, 409, 412),
    ),
    Operation(
        "refresh_workflow",
        "POST",
        f"{_WORKFLOW}/refresh",
        "Run a workflow",
        _ACCEPTED,
        parameters=(
            option("whenActive", _WHEN_ACTIVE, one_of("return", "queue", "fail", default="return")),
            OPERATION_ID,
        ),
        errors=(400, 404, 409),
    ),
    Operation(
        "list_workflow_runs",
        "GET",
        f"{_WORKFLOW}/runs",
        "List a workflow's runs",
        lists(Runs, "The newest first."),
        parameters=_FILTERS,
        errors=(400, 404),
    ),
)

RUN_OPERATIONS = (
    Operation(
        "list_runs",
        "GET",
        "/api/runs",
        "List runs",
        lists(Runs, "The newest first."),
        parameters=(option("workflow", "Only runs of this workflow."), *_FILTERS),
        errors=(400,),
    ),
    Operation("get_run", "GET", _RUN, "Read a run", reads(Run), errors=(404,)),
    Operation("cancel_run", "POST", f"{_RUN}/cancel", "Cancel a run and its job", _ACCEPTED, errors=(404, 409)),
    Operation("publish_run", "POST", f"{_RUN}/publish", "Publish a held run", _ACCEPTED, errors=(404, 409)),
    Operation("discard_run", "POST", f"{_RUN}/discard", "Discard a held run", _ACCEPTED, errors=(404, 409)),
    Operation(
        "import_run",
        "POST",
        f"{_RUN}/import",
        "Import the output of a finished job again, under today's definition",
        _ACCEPTED,
        parameters=(OPERATION_ID,),
        errors=(404, 409),
    ),
)
