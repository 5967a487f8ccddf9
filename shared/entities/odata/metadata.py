"""What does the service have? The service document, and the metadata (CSDL 4.0 as XML) that Power BI and Excel need."""

from collections.abc import Sequence
from typing import Any
from xml.sax.saxutils import quoteattr

from shared.entities.schema import CUSTOMER_ID, Column, Schema

NAMESPACE = "CI"
ORIGINAL_NAME = f"{NAMESPACE}.OriginalName"
"""The term by which a property names its column in the files."""


def service_document(names: Sequence[str], root: str) -> dict[str, Any]:
    """`root`: the service's address, without a slash at its end."""
    sets = [{"name": name, "kind": "EntitySet", "url": name} for name in names]
    return {"@odata.context": f"{root}/$metadata", "value": sets}


def metadata_document(entities: Sequence[tuple[str, Schema]]) -> str:
    """Of each entity its name and what it has."""
    return "".join(
        (
            '<?xml version="1.0" encoding="utf-8"?>\n'
            '<edmx:Edmx Version="4.0" xmlns:edmx="http://docs.oasis-open.org/odata/ns/edmx"><edmx:DataServices>'
            f'<Schema Namespace="{NAMESPACE}" xmlns="http://docs.oasis-open.org/odata/ns/edm">',
            *(_entity_type(name, schema) for name, schema in entities),
            '<Term Name="OriginalName" Type="Edm.String" AppliesTo="Property"/>',
            f'<EntityContainer Name="{_container([name for name, _ in entities])}">',
            *(_entity_set(name) for name, _ in entities),
            "</EntityContainer></Schema></edmx:DataServices></edmx:Edmx>\n",
        )
    )


def key_of(schema: Schema) -> tuple[str, ...]:
    """The properties that tell a row from all others."""
    return (schema.primary_key,) if schema.is_one_column else (CUSTOMER_ID, schema.primary_key)


def _container(taken: Sequence[str]) -> str:
    """`Default`, unless an entity is called so: types and containers share their names."""
    return next(
        name for name in ("Default", *(f"Default{number}" for number in range(len(taken)))) if name not in taken
    )


def _entity_set(name: str) -> str:
    return f"<EntitySet Name={quoteattr(name)} EntityType={quoteattr(f'{NAMESPACE}.{name}')}/>"


def _entity_type(name: str, schema: Schema) -> str:
    key = key_of(schema)
    columns = {column.name: column for column in schema.columns}
    never_null = {*key, CUSTOMER_ID, schema.customer_id}
    return "".join(
        (
            f"<EntityType Name={quoteattr(name)}><Key>",
            *(f"<PropertyRef Name={quoteattr(each)}/>" for each in key),
            "</Key>",
            *(
                _property(each, edm_type.value, columns.get(each), is_nullable=each not in never_null)
                for each, edm_type in schema.properties.items()
            ),
            "</EntityType>",
        )
    )


def _property(name: str, edm_type: str, column: Column | None, *, is_nullable: bool) -> str:
    precision = ' Precision="6"' if edm_type == "Edm.DateTimeOffset" else ""
    start = f'<Property Name={quoteattr(name)} Type={quoteattr(edm_type)} Nullable="{str(is_nullable).lower()}"'
    if column is None:
        return f"{start}{precision}/>"
    source = quoteattr(_printable(column.source))
    return f'{start}{precision}><Annotation Term="{ORIGINAL_NAME}" String={source}/></Property>'


def _printable(text: str) -> str:
    """What XML 1.0 can hold, which is not every character."""
    return "".join(char if _is_in_xml(char) else "\ufffd" for char in text)


def _is_in_xml(char: str) -> bool:
    return char in "\t\n\r" or " " <= char <= "\ud7ff" or "\ue000" <= char <= "\ufffd" or char > "\uffff"
