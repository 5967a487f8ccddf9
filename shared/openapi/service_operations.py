"""The routes of the app itself."""

from shared.openapi.operations import Answer, Operation, lists, option, reads
from shared.openapi.shapes import DoctorReport, Health, PoisonMessage, PoisonMessages
from shared.openapi.values import ServiceDocument, Text

SERVICE_OPERATIONS = (
    Operation(
        "health",
        "GET",
        "/api/health",
        "Is the app up?",
        reads(Health, "It is."),
        errors=(503,),
        is_open=True,
    ),
    Operation(
        "doctor",
        "GET",
        "/api/doctor",
        "Does everything stand that the app needs?",
        reads(DoctorReport, "What each check found. Also where some failed: the doctor itself worked."),
        description="Takes up to 180 s. It writes a mark into each storage account, and removes it again.",
        parameters=(
            option(
                "only", "Groups of checks, with commas: settings, identity, storage, queues, timers, connections, …"
            ),
            option("connection", "This connection alone."),
            option("workflow", "This workflow alone."),
            option("skill", "This skill alone."),
        ),
        errors=(400, 404),
    ),
    Operation("home", "GET", "/", "To the API's page", {302: Answer("To `/api/docs`.")}, is_open=True),
    Operation(
        "api_page",
        "GET",
        "/api/docs",
        "This page",
        {200: Answer("The description, to read and to try.", Text, media="text/html")},
        is_open=True,
    ),
    Operation("api_document", "GET", "/api/openapi.json", "This description", reads(ServiceDocument, "OpenAPI 3.1.")),
    Operation(
        "list_poison",
        "GET",
        "/api/poison",
        "List the messages that were given up",
        lists(PoisonMessages, "The newest first."),
    ),
    Operation(
        "redrive_poison",
        "POST",
        "/api/poison/{id}/redrive",
        "Send such a message again",
        {202: Answer("It is in its queue again.", PoisonMessage)},
        errors=(404,),
    ),
)
