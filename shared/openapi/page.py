"""The page that shows the description: one file that needs nothing from elsewhere, with the description in it."""

import json
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from re import DOTALL, findall

from shared.openapi.document import description

PAGE = Path(__file__).parents[2] / "console" / "api.html"
_PLACE = "{{description}}"


@dataclass(frozen=True, slots=True)
class Page:
    html: str
    headers: Mapping[str, str]


@cache
def page(version: str) -> Page:
    """Of this app at `version`. Its policy lets the browser run the page's own script and nothing else."""
    template = PAGE.read_text(encoding="utf-8")
    # Inside a script no markup may begin, whatever an example holds.
    told = json.dumps(description(version), separators=(",", ":")).replace("<", "\\u003c")
    [script] = findall(r"<script>(.*?)</script>", template, DOTALL)
    [style] = findall(r"<style>(.*?)</style>", template, DOTALL)
    policy = (
        f"default-src 'none'; script-src '{_digest(script)}'; style-src '{_digest(style)}'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    headers = {"Content-Security-Policy": policy, "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}
    return Page(template.replace(_PLACE, told), headers)


def _digest(text: str) -> str:
    return f"sha256-{b64encode(sha256(text.encode()).digest()).decode()}"
