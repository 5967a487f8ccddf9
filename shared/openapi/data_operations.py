"""The routes of entities, customers, reader keys and the data plane."""

from shared.entities.customers import Lookup
from shared.entities.reader_keys import ReaderKeyDocument
from shared.openapi.entity_shapes import (
    CustomerRows,
    CustomersRows,
    Entities,
    Entity,
    NewReaderKey,
    ReaderKey,
    ReaderKeys,
    Rebuilt,
    Rejects,
    Rows,
)
from shared.openapi.operations import (
    ETAG,
    GONE,
    IF_MATCH,
    TEXT,
    Answer,
    Operation,
    header,
    lists,
    one_of,
    option,
    reads,
    whole,
)
from shared.openapi.values import Row, ServiceDocument, Text
from shared.openapi.workflow_shapes import ErasureReport

_ENTITY = "/api/entities/{entity}"
_DATA = "/api/data"
_CUSTOMER = "/api/customers/{customerId}"
_CUSTOMER_ID = option("customerId", "Instead of the path, for an id that no path can say.")

_QUERY = (
    option(
        "$filter", "Such as `CustomerId eq '00001'`, which is read from one partition; any other is read from Parquet."
    ),
    option("$select", "Property names, with commas between them."),
    option("$orderby", "Such as `score desc`."),
    option("$top", "At most so many rows.", whole(0, 2**31 - 1)),
    option("$skip", "Without the first so many.", whole(0, 2**31 - 1)),
    option("$count", "Whether to tell how many rows there are in all.", {"type": "boolean"}),
    option("$format", "", one_of("json", "csv")),
    option("$skiptoken", "From a nextLink.", TEXT),
)
_ODATA = "OData 4.0. Options may also be given without their `$`."

ENTITY_OPERATIONS = (
    Operation("get_entities", "GET", "/api/entities", "List entities and their snapshots", lists(Entities)),
    Operation(
        "get_entity",
        "GET",
        _ENTITY,
        "Read an entity's state",
        {200: Answer("As it stands.", Entity, headers=ETAG)},
        errors=(404,),
    ),
    Operation("delete_entity", "DELETE", _ENTITY, "Delete an entity that no workflow writes", GONE, errors=(404, 409)),
    Operation(
        "roll_back_entity",
        "POST",
        f"{_ENTITY}/rollback",
        "Show the former snapshot again, and pin it",
        {200: Answer("Rolled back; later runs are held until it is unpinned.", Entity, headers=ETAG)},
        parameters=(IF_MATCH, header("Operation-Id", "1 to 200 printable characters; a repeated one rolls back once.")),
        errors=(400, 404, 409, 412),
    ),
    Operation(
        "unpin_entity",
        "POST",
        f"{_ENTITY}/unpin",
        "Let later runs publish again",
        {200: Answer("As it is now.", Entity, headers=ETAG)},
        errors=(404, 409),
    ),
    Operation(
        "rebuild_entity",
        "POST",
        f"{_ENTITY}/rebuild",
        "Write lost rows of the table again, from its Parquet",
        {
            200: Answer("All of them are there.", Rebuilt),
            202: Answer("More is left.", Rebuilt, headers={"Location": "Where to send the next POST."}),
        },
        parameters=(
            option("from", "As the `nextLink` has it.", whole(0, 999_999_999)),
            option("snapshot", "Likewise: 409 where another one was published meanwhile."),
        ),
        errors=(400, 404, 409, 410),
    ),
    Operation(
        "get_rejects",
        "GET",
        f"{_ENTITY}/rejects",
        "List the rows that an import did not take",
        reads(Rejects, "By file and line."),
        parameters=(
            option("run", "The run that imported; else the current snapshot's."),
            option("snapshot", "The snapshot's table."),
            option("after", "From a `nextLink`."),
        ),
        errors=(400, 404),
    ),
)

DATA_OPERATIONS = (
    Operation(
        "get_data",
        "GET",
        _DATA,
        "The service document",
        {200: Answer("The entities that are published.", ServiceDocument)},
        _ODATA,
        errors=(400, 406),
        variant="service",
        is_open=True,
        does_sign_in=True,
    ),
    Operation(
        "get_data",
        "GET",
        f"{_DATA}/$metadata",
        "The schema of all entities",
        {200: Answer("CSDL 4.0.", Text, media="application/xml")},
        _ODATA,
        errors=(400, 406),
        variant="metadata",
        is_open=True,
        does_sign_in=True,
    ),
    Operation(
        "get_data",
        "GET",
        f"{_DATA}/{{entity}}",
        "Query an entity's rows",
        {200: Answer("A page of rows; `@odata.nextLink` leads to the next.", Rows)},
        _ODATA,
        _QUERY,
        errors=(400, 404, 406, 410, 413, 501, 503),
        variant="rows",
        is_open=True,
        does_sign_in=True,
    ),
    Operation(
        "get_data",
        "GET",
        f"{_DATA}/{{entity}}({{key}})",
        "Read one row",
        {200: Answer("The row.", Row)},
        _ODATA,
        _QUERY[1:2],
        errors=(400, 404, 406),
        variant="row",
        is_open=True,
        does_sign_in=True,
    ),
    Operation(
        "get_data",
        "GET",
        f"{_DATA}/{{entity}}/$count",
        "Count an entity's rows",
        {200: Answer("The number.", Text, media="text/plain")},
        _ODATA,
        _QUERY[:1],
        errors=(400, 404, 406),
        variant="count",
        is_open=True,
        does_sign_in=True,
    ),
    Operation(
        "query_data",
        "POST",
        f"{_DATA}/{{entity}}/$query",
        "Query with options in the body, for those too long for an address",
        {200: Answer("A page of rows.", Rows)},
        _ODATA,
        takes=Text,
        takes_media="text/plain",
        errors=(400, 404, 406, 413, 501),
        is_open=True,
        does_sign_in=True,
    ),
    Operation(
        "get_instance_data",
        "GET",
        "/v1/instances/{instanceId}/data/{entity}",
        "Query an entity's rows, in the address that Customer Insights documents",
        {200: Answer("A page of rows.", Rows)},
        _ODATA,
        _QUERY,
        errors=(400, 404, 406, 410, 413, 501, 503),
        is_open=True,
        does_sign_in=True,
    ),
)

CUSTOMER_OPERATIONS = (
    Operation(
        "get_customer",
        "GET",
        _CUSTOMER,
        "Read a customer's rows in all entities",
        reads(CustomerRows),
        parameters=(_CUSTOMER_ID,),
        errors=(404,),
    ),
    Operation(
        "look_up_customers",
        "POST",
        "/api/customers/lookup",
        "Read the rows of up to 1,000 customers",
        reads(CustomersRows),
        takes=Lookup,
        errors=(400, 404, 413),
    ),
    Operation(
        "erase_customer",
        "DELETE",
        _CUSTOMER,
        "Erase a customer everywhere",
        reads(ErasureReport, "What was erased, and what is outside this app's reach."),
        "A tombstone first, then the rows, blobs and files. May be repeated.",
        (_CUSTOMER_ID,),
        errors=(503,),
    ),
    Operation(
        "lift_tombstone",
        "DELETE",
        f"{_CUSTOMER}/tombstone",
        "Let an erased customer come back with the next import",
        GONE,
        parameters=(_CUSTOMER_ID,),
        errors=(404,),
    ),
)

READER_KEY_OPERATIONS = (
    Operation(
        "create_reader_key",
        "POST",
        "/api/reader-keys",
        "Make a key that opens the data plane",
        {201: Answer("The key, shown this once.", NewReaderKey)},
        takes=ReaderKeyDocument,
        errors=(400, 409),
    ),
    Operation("list_reader_keys", "GET", "/api/reader-keys", "List reader keys", lists(ReaderKeys)),
    Operation(
        "get_reader_key", "GET", "/api/reader-keys/{name}", "Read a reader key's dates", reads(ReaderKey), errors=(404,)
    ),
    Operation("revoke_reader_key", "DELETE", "/api/reader-keys/{name}", "Revoke a reader key", GONE, errors=(404,)),
)
