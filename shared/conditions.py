"""A resource's ETag, and whether a conditional request holds against it: `If-Match` and `If-None-Match`."""

import hashlib
from dataclasses import dataclass

from shared.errors import PreconditionFailed
from shared.wire import json_bytes


def etag_of(written: object) -> str:
    """A strong ETag of what was written (JSON): the same for the same, in every process."""
    return f'"{hashlib.sha256(json_bytes(written)).hexdigest()[:32]}"'


@dataclass(frozen=True, slots=True)
class Conditions:
    """`If-Match` and `If-None-Match` of a request."""

    if_match: str | None = None
    if_none_match: str | None = None

    def check(self, current: str | None) -> None:
        """Raises PreconditionFailed. `current` is the resource's ETag, None where there is none."""
        if self.if_match is not None and not _matches(self.if_match, current, weak=False):
            raise PreconditionFailed(
                "If-Match does not hold: the resource has changed or is gone; GET it again and send its new ETag"
            )
        if self.if_none_match is not None and _matches(self.if_none_match, current, weak=True):
            raise PreconditionFailed(
                "If-None-Match does not hold: the resource exists; leave the header out to replace it"
            )


def _matches(header: str, current: str | None, *, weak: bool) -> bool:
    """Source: RFC 9110, 13.1: If-Match compares strongly, If-None-Match weakly."""
    if current is None:
        return False
    tags = [part.strip() for part in header.split(",")]
    return header.strip() == "*" or current in ([tag.removeprefix("W/") for tag in tags] if weak else tags)
