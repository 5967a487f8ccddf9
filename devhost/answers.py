"""From what a function returned to what goes over the wire."""

import json
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any
from urllib.parse import quote

from devhost.messages import newtonsoft_text
from devhost.protos import RpcHttp, RpcHttpCookie, TypedData
from devhost.worker import Outcome

# The server writes these itself.
FRAMING = frozenset({"content-length", "transfer-encoding"})
TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
# The real host's server refuses controls and anything beyond ASCII in a header value.
VALUE = re.compile(r"[\t\x20-\x7e]*")
TEXT = {"content-type": "text/plain; charset=utf-8"}
SAME_SITE = {1: "lax", 2: "strict", 3: "none"}


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    cookies: Sequence[str] = ()


def answer_of(outcome: Outcome, output: str | None) -> Answer:
    """ValueError if it cannot be sent. An HTTP output that is unset, or not there, is a plain 200."""
    if output is None:
        return Answer(200)
    value = outcome.returned if output == "$return" else outcome.outputs.get(output)
    if value is None or value.kind is None:
        return Answer(200)
    if isinstance(value.content, RpcHttp):
        return checked(answer_from_http(value.content))
    return checked(answer_from_text(value))


def answer_from_http(http: RpcHttp) -> Answer:
    headers: dict[str, str] = {}
    for name, text in http.headers.items():
        if name.lower() not in FRAMING and name.lower() not in map(str.lower, headers):
            headers[name] = text
    cookies = [write_cookie(cookie) for cookie in http.cookies or ()]
    body = http.body.content if http.body and http.body.content is not None else b""
    return Answer(int(http.status_code), body, headers, cookies)


def answer_from_text(value: TypedData) -> Answer:
    """A bare `str`: the real host reads it as JSON if it can; an object with a `body` is a whole response."""
    if isinstance(value.content, bytes):
        return Answer(200, value.content)
    content: Any = value.content
    with suppress(ValueError):
        content = json.loads(content) if content else ""
    named = {name.lower(): part for name, part in content.items()} if isinstance(content, dict) else {}
    if "body" not in named:
        return Answer(200, newtonsoft_text(content).encode(), TEXT)
    body = named["body"]
    text = json.dumps(body, ensure_ascii=False) if isinstance(body, dict) else newtonsoft_text(body)
    headers = {str(name): str(part) for name, part in (named.get("headers") or {}).items()}
    status = named.get("statuscode", named.get("status", 200))
    return Answer(int(status), text.encode(), {**TEXT, **headers})


def write_cookie(cookie: RpcHttpCookie) -> str:
    """As ASP.NET writes it: the value escaped, attributes in lower case."""
    parts = [f"{cookie.name}={quote(cookie.value, safe='')}"]
    if cookie.expires:
        when = datetime.fromtimestamp(cookie.expires.value.seconds, UTC)
        parts.append(f"expires={format_datetime(when, usegmt=True)}")
    if cookie.max_age:
        parts.append(f"max-age={cookie.max_age.value:.0f}")
    if cookie.domain and cookie.domain.value:
        parts.append(f"domain={cookie.domain.value}")
    if cookie.path is None or cookie.path.value:
        parts.append(f"path={cookie.path.value if cookie.path else '/'}")
    if cookie.secure and cookie.secure.value:
        parts.append("secure")
    if cookie.same_site in SAME_SITE:
        parts.append(f"samesite={SAME_SITE[cookie.same_site]}")
    if cookie.http_only and cookie.http_only.value:
        parts.append("httponly")
    return "; ".join(parts)


def checked(answer: Answer) -> Answer:
    for name, value in answer.headers.items():
        if not TOKEN.fullmatch(name) or not VALUE.fullmatch(value):
            raise ValueError(f"the header '{name}' has characters that a header cannot have")
    if not all(VALUE.fullmatch(cookie) for cookie in answer.cookies):
        raise ValueError("a cookie has characters that a header cannot have")
    if not 200 <= answer.status <= 999:
        raise ValueError(f"the status {answer.status} is not one")
    return answer
