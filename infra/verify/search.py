"""Azure AI Search: which skill definitions its stable version takes. Each skillset made here is deleted again."""

from typing import Any
from uuid import uuid4

import httpx

from infra.verify.checks import Check, Finding, confirmed_if, observed
from infra.verify.target import Target, told

STABLE = "2026-04-01"
AUDIENCE = "https://search.azure.com"
_BATCHES = (1_000, 1_001, 5_000, 10_000)
_BOUND: dict[str, Any] = {
    "context": "/document",
    "inputs": [{"name": "text", "source": "/document/content"}],
    "outputs": [{"name": "label", "targetName": "label"}],
}
_AML = {"@odata.type": "#Microsoft.Skills.Custom.AmlSkill", "uri": "https://example.inference.ml.azure.com/score"}
_WEB = {"@odata.type": "#Microsoft.Skills.Custom.WebApiSkill", "uri": "https://example.com/skill", "timeout": "PT30S"}


def aml_skill_in_stable(target: Target) -> Finding:
    answer = _put(target, {**_AML, "key": "none", **_BOUND})
    return observed(f"{STABLE} answers {told(answer)}")


def batch_size(target: Target) -> Finding:
    taken = {size: _put(target, {**_WEB, "batchSize": size, **_BOUND}).is_success for size in _BATCHES}
    return confirmed_if(taken[1_000], f"taken: {', '.join(f'{size:,} {taken[size]}' for size in _BATCHES)}")


def longest_timeout(target: Target) -> Finding:
    taken = {text: _put(target, {**_WEB, "timeout": text, **_BOUND}).is_success for text in ("PT230S", "PT231S")}
    return confirmed_if(taken["PT230S"] and not taken["PT231S"], f"PT230S {taken['PT230S']}, PT231S {taken['PT231S']}")


def _put(target: Target, skill: dict[str, Any]) -> httpx.Response:
    url = f"https://{target.options.search}.search.windows.net/skillsets('verify-{uuid4().hex[:12]}')"
    headers = {"Authorization": f"Bearer {target.token(AUDIENCE)}"}
    query = {"api-version": STABLE}
    body = {"name": url.rpartition("'")[0].rpartition("'")[2], "skills": [skill]}
    answer = target.http.put(url, params=query, headers=headers, json=body)
    if answer.is_success:
        target.http.delete(url, params=query, headers=headers)
    return answer


CHECKS = (
    Check(
        "aml-skill-stable",
        "whether the stable version of Azure AI Search takes an AmlSkill is not known: its specification has none",
        "nothing: /web-api-skill gives a WebApiSkill, which is stable",
        aml_skill_in_stable,
        needs=("search",),
        writes=True,
    ),
    Check(
        "batch-size",
        "a WebApiSkill may have a batchSize of 1,000; the largest is not documented",
        "/web-api-skill gives at most 1,000: shared/skills/web_api_skill.py",
        batch_size,
        needs=("search",),
        writes=True,
    ),
    Check(
        "longest-timeout",
        "a skill's timeout may be 230 s and no longer",
        "/web-api-skill gives at most 230 s",
        longest_timeout,
        needs=("search",),
        writes=True,
    ),
)
