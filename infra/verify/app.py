"""The deployed app and the Functions host in front of it."""

import httpx

from infra.verify.checks import Check, Finding, confirmed_if
from infra.verify.target import Target

_OVER_THE_HOSTS_LIMIT = 220 * 1024 * 1024
_CHUNK = bytes(1024 * 1024)


def _call(target: Target, method: str, path: str, **how: object) -> httpx.Response:
    return target.http.request(method, f"{target.options.app.rstrip('/')}{path}", **how)  # type: ignore[arg-type]


def health(target: Target) -> Finding:
    answer = _call(target, "GET", "/api/health")
    return confirmed_if(answer.status_code == 200, f"{answer.status_code} {answer.text[:100]}")


def wrong_method(target: Target) -> Finding:
    answer = _call(target, "DELETE", "/api/health")
    return confirmed_if(answer.status_code == 404 and not answer.content, _shown(answer))


def without_a_key(target: Target) -> Finding:
    answer = _call(target, "GET", "/api/skills")
    return confirmed_if(answer.status_code == 401 and not answer.content, _shown(answer))


def encoded_query(target: Target) -> Finding:
    """The old URL form reaches the function; its own answer has a body, the host's 404 has none."""
    path = "/v1/instances/verify/data/VerifyAzure%3Ffilter%3DCustomerId%20eq%20'0'"
    answer = _call(target, "GET", path)
    return confirmed_if("x-ms-error-code" in answer.headers, _shown(answer))


def body_limit(target: Target) -> Finding:
    def chunks() -> object:
        for _ in range(_OVER_THE_HOSTS_LIMIT // len(_CHUNK)):
            yield _CHUNK

    headers = {"Content-Length": str(_OVER_THE_HOSTS_LIMIT), "Content-Type": "application/json"}
    answer = _call(target, "POST", "/api/skills/verify", content=chunks(), headers=headers)
    return confirmed_if(answer.status_code == 413, _shown(answer))


def _shown(answer: httpx.Response) -> str:
    code = answer.headers.get("x-ms-error-code")
    return f"{answer.status_code}, {len(answer.content)} bytes{f', {code}' if code else ''}"


CHECKS = (
    Check("health", "the app has loaded", "GET /api/health names the module that failed", health, needs=("app",)),
    Check(
        "wrong-method",
        "a route asked with another method is answered with 404 and no body",
        "docs/errors.md says so",
        wrong_method,
        needs=("app",),
    ),
    Check(
        "no-key",
        "without a key the host answers 401 and no body, before the app is asked",
        "docs/errors.md says so",
        without_a_key,
        needs=("app",),
    ),
    Check(
        "encoded-query",
        "a path with %3F in it reaches the function as it was sent",
        "the URL form of Customer Insights would not work: shared/triggers/data_http.py",
        encoded_query,
        needs=("app",),
    ),
    Check(
        "body-limit",
        "the host refuses bodies over its limit (100 MB or 210 MB) with 413",
        "MAX_BODY_BYTES, which is below, is the limit that callers see",
        body_limit,
        needs=("app",),
        writes=True,
    ),
)
