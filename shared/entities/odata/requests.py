"""What does a data request ask for? Its address, its query options and its headers, as one value."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from shared.entities.odata.addresses import read_address, split
from shared.entities.odata.formats import Format, choose_format, page_size
from shared.entities.odata.options import LONGEST_FILTER, boolean, in_path, in_query, integer, read_options
from shared.entities.odata.parsing import Order, parse_filter, parse_names, parse_orderby
from shared.entities.odata.syntax import Name, Syntax
from shared.errors import BadRequest, NotSupported, PayloadTooLarge

_LONGEST = 32_000
"""Characters of path and query, percent-encoded."""
LONGEST_BODY = 100 * 1024
"""Bytes of the query in a body."""


@dataclass(frozen=True, slots=True)
class Query:
    """Which rows, which of their properties, and in which order; as yet without regard to an entity."""

    filter: Syntax | None = None
    select: tuple[Name, ...] | None = None
    orderby: tuple[Order, ...] = ()
    top: int | None = None
    skip: int = 0
    with_count: bool = False
    token: str | None = None
    options: Mapping[str, str] = field(default_factory=dict, compare=False)
    """As given, for the link to the next page."""


@dataclass(frozen=True, slots=True)
class DataRequest:
    """One request, parsed."""

    entity: str = ""
    """Empty for the service document and the metadata."""
    key: Mapping[str, str] | None = None
    """By property; under the empty name where the key is given without one."""
    is_count: bool = False
    is_metadata: bool = False
    query: Query = field(default_factory=Query)
    format: Format = field(default_factory=Format)
    page_size: int | None = None
    """What the caller prefers."""


def parse_request(
    path: str,
    query: str = "",
    *,
    body: str | None = None,
    accept: str | None = None,
    prefer: str | None = None,
) -> DataRequest:
    """`path`: what follows `data/`, as it came or percent-decoded. `query`: what follows `?`, as it came. `body`: of
    a POST, to `…/$query` alone. Raises BadRequest with the position, NotSupported, NotAcceptable, PayloadTooLarge.
    """
    if len(path) + len(query) > _LONGEST:
        raise BadRequest(f"path and query have more than {_LONGEST} characters; POST {{entity}}/$query takes more")
    place, inner = split(path)
    options = read_options([*in_path(inner), *in_query(query), *in_query(_checked(body))])
    if body is None:
        _check_lengths(options)
    address = read_address(place)
    if address.is_query != (body is not None):
        raise NotSupported("POST is not supported here but for {entity}/$query, nor GET for that", target="path")
    return DataRequest(
        address.entity,
        address.key,
        address.is_count,
        address.is_metadata,
        parse_query(options) if address.entity else Query(),
        choose_format(options.get("format"), accept)
        if _has_format(address.is_metadata, address.is_count)
        else Format(),
        page_size(prefer),
    )


def parse_query(options: Mapping[str, str]) -> Query:
    """Raises BadRequest with the position, NotSupported."""
    return Query(
        filter=parse_filter(options["filter"]) if "filter" in options else None,
        select=parse_names(options["select"], "$select") if "select" in options else None,
        orderby=parse_orderby(options["orderby"]) if "orderby" in options else (),
        top=integer(options, "top"),
        skip=integer(options, "skip") or 0,
        with_count=boolean(options, "count"),
        token=options.get("skiptoken"),
        options=options,
    )


def _has_format(is_metadata: bool, is_count: bool) -> bool:
    """Metadata is XML, and a count plain text, whatever the caller would like."""
    return not is_metadata and not is_count


def _checked(body: str | None) -> str:
    if body is not None and len(body.encode()) > LONGEST_BODY:
        raise PayloadTooLarge(f"the query in the body has more than {LONGEST_BODY} bytes")
    return (body or "").strip().removeprefix("?")


def _check_lengths(options: Mapping[str, str]) -> None:
    for name, value in options.items():
        if len(value) > LONGEST_FILTER and name != "skiptoken":
            raise BadRequest(
                f"${name} has more than {LONGEST_FILTER} characters; POST {{entity}}/$query takes {LONGEST_BODY} bytes",
                target=f"${name}",
            )
