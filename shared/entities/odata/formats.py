"""In which form does the caller want the answer? `$format`, else `Accept` with its weights; `Prefer`; versions."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from shared.errors import BadRequest, NotAcceptable

MOST_IN_PAGE = 5_000
_MEDIA = re.compile(r"[\w!#$&^.+*-]++/[\w!#$&^.+*-]++")
_PAGE_SIZE = re.compile(r"(?:^|[,;\s])(?:odata\.)?maxpagesize\s*=\s*\"?([0-9]{1,9})\"?", re.IGNORECASE)
_VERSION = re.compile(r"\s*([0-9]{1,3})(?:\.[0-9]{1,3})?\s*")


class Metadata(StrEnum):
    """How much an answer says about itself."""

    NONE = "none"
    MINIMAL = "minimal"
    FULL = "full"


@dataclass(frozen=True, slots=True)
class Format:
    metadata: Metadata = Metadata.MINIMAL
    is_csv: bool = False
    has_long_texts: bool = False
    """Edm.Int64 as a text, for readers whose numbers are Doubles: `IEEE754Compatible=true`."""

    @property
    def content_type(self) -> str:
        if self.is_csv:
            return "text/csv;charset=utf-8;header=present"
        long = ";IEEE754Compatible=true" if self.has_long_texts else ""
        return f"application/json;odata.metadata={self.metadata};odata.streaming=true{long};charset=utf-8"


_SHORT = {"json": "application/json", "csv": "text/csv"}


def choose_format(asked: str | None, accept: str | None) -> Format:
    """`asked`: `$format`, which goes before the header. Raises NotAcceptable, BadRequest."""
    if asked is not None:
        found = next(_ranges(_SHORT.get(asked.lower(), asked)), None)
        if found is None and "/" not in asked and asked.lower() not in ("xml", "atom"):
            raise BadRequest(f"$format is json, csv or a media type, not {asked[:50]!r}", target="$format")
        chosen = None if found is None else _format(found.media, found.parameters)
        if chosen is None:
            raise NotAcceptable(f"$format={asked[:100]} is none of ours: {_OURS}", target="$format")
        return chosen
    if accept is None or not accept.strip():
        return Format()
    for found in sorted(_ranges(accept), key=lambda each: (-each.weight, each.is_wild)):
        chosen = _format(found.media, found.parameters)
        if chosen is not None and found.weight > 0:
            return chosen
    raise NotAcceptable(f"no media type of the header Accept is one of ours: {_OURS}", target="Accept")


_OURS = "application/json (odata.metadata=none, minimal or full) and text/csv"


@dataclass(frozen=True, slots=True)
class _Range:
    media: str
    parameters: Mapping[str, str]
    weight: float

    @property
    def is_wild(self) -> bool:
        return "*" in self.media


def _ranges(header: str) -> Iterator[_Range]:
    """What cannot be read is passed over: another entry may do."""
    for entry in header.split(","):
        media, *given = entry.split(";")
        if not _MEDIA.fullmatch(media.strip()):
            continue
        pairs = [each.partition("=") for each in given]
        parameters = {name.strip().lower(): value.strip().strip('"').lower() for name, _, value in pairs}
        try:
            weight = float(parameters.pop("q", "1"))
        except ValueError:
            weight = 0.0
        yield _Range(media.strip().lower(), parameters, weight)


def _format(media: str, parameters: Mapping[str, str]) -> Format | None:
    """None where it is none of ours. Parameters that OData 4.0 does not know, such as `odata=verbose`, say nothing."""
    if media == "text/csv":
        return Format(is_csv=True)
    if media not in ("application/json", "application/*", "*/*"):
        return None
    level = parameters.get("odata.metadata") or parameters.get("metadata") or "minimal"
    if level not in list(Metadata) or parameters.get("charset", "utf-8") not in ("utf-8", "utf8"):
        return None
    return Format(Metadata(level), has_long_texts=parameters.get("ieee754compatible") == "true")


def page_size(prefer: str | None) -> int | None:
    """What the header `Prefer` says of it, within our bounds."""
    found = _PAGE_SIZE.search(prefer or "")
    return min(int(found[1]), MOST_IN_PAGE) or None if found else None


def check_versions(most: str | None, version: str | None = None) -> None:
    """The headers `OData-MaxVersion` and `OData-Version`. Raises BadRequest for who takes less than 4.0, or speaks more
    than 4.01."""
    if most is not None and not ((found := _VERSION.fullmatch(most)) and int(found[1]) >= 4):
        raise BadRequest("OData-MaxVersion: answers are OData 4.0; ask for 4.0 or more", target="OData-MaxVersion")
    if version is not None and version.strip() not in ("4.0", "4.01"):
        raise BadRequest(f"OData-Version: requests are OData 4.0, not {version[:10]!r}", target="OData-Version")


def check_body(content_type: str | None) -> None:
    """Of a query in a body. Raises BadRequest: a query read in another form would be none, and give every row."""
    media = (content_type or "text/plain").partition(";")[0].strip().lower()
    if media not in ("text/plain", "application/x-www-form-urlencoded"):
        raise BadRequest(f"a query in a body is text/plain, not {media[:50]!r}", target="Content-Type")
