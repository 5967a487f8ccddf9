"""The routes of the configuration as one document."""

from shared.openapi.configuration_shapes import AnyConfiguration, ImportDone
from shared.openapi.operations import IF_MATCH, TRUTH, Answer, Operation, option

_ETAG = {"ETag": "Of the whole configuration as it is now, for `If-Match` of an import."}

CONFIGURATION_OPERATIONS = (
    Operation(
        "export_configuration",
        "GET",
        "/api/export",
        "Export skills, connections and workflows",
        {200: Answer("One document; keys stay references.", AnyConfiguration, headers=_ETAG)},
        parameters=(
            option("parameterize", "Tenants, workspaces and hosts become `${NAME}`, with their values beside.", TRUTH),
        ),
    ),
    Operation(
        "import_configuration",
        "POST",
        "/api/import",
        "Import such a document",
        {200: Answer("What changed, or would change.", ImportDone, headers=_ETAG)},
        "All of it is checked first; if anything is wrong, nothing is written, and the 400 has every fault.",
        (
            option("dryRun", "Tell what would change, and write nothing.", TRUTH),
            option("prune", "Delete what the document does not name, of the kinds that it has.", TRUTH),
            IF_MATCH,
        ),
        takes=AnyConfiguration,
        errors=(400, 403, 409, 412, 413, 503),
    ),
)
