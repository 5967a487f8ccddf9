"""The skill to paste into a skillset: a WebApiSkill that calls this app, sized for its endpoint."""

from dataclasses import dataclass
from math import ceil
from typing import Any

from shared.duration import format_duration
from shared.skills.deadlines import HEADER, usable_seconds
from shared.skills.definition import LONGEST_DEADLINE, SkillDefinition, SkillInput

ODATA_TYPE = "#Microsoft.Skills.Custom.WebApiSkill"
KEY_PLACEHOLDER = "<the function key of call_skill>"
_LONGEST_TIMEOUT = 230.0
DEFAULT_BATCH = 1000
"""Records that an indexer sends at once where a skillset does not say."""
_UNMEASURED_SECONDS = 1.0
_HEADROOM = 2.0
"""A batch is sized to need half of its time."""
_DEFAULT_PARALLELISM = 5
_MOST_PARALLELISM = 10


@dataclass(frozen=True, slots=True)
class Measured:
    """What is known of the endpoint: seconds of a slow call (the 95th percentile), and calls it holds at once."""

    seconds: float | None = None
    capacity: float | None = None


def web_api_skill(
    definition: SkillDefinition, uri: str, measured: Measured, *, most_records: int
) -> tuple[dict[str, Any], list[str]]:
    """The skill's JSON, and warnings that explain its figures."""
    waits = definition.gateway.deadline or LONGEST_DEADLINE
    timeout = min(_LONGEST_TIMEOUT, waits + 5)
    batch_size = _batch_size(definition, waits, measured, most_records)
    parallelism = _parallelism(definition, measured)
    skill = {
        "@odata.type": ODATA_TYPE,
        **({"name": definition.name} if definition.name else {}),
        **({"description": definition.description} if definition.description else {}),
        "context": definition.context,
        "uri": uri,
        "httpMethod": "POST",
        "httpHeaders": {HEADER: format_duration(waits), "x-functions-key": KEY_PLACEHOLDER},
        "timeout": format_duration(timeout),
        "batchSize": batch_size,
        "degreeOfParallelism": parallelism,
        "inputs": [_input(item) for item in definition.inputs],
        "outputs": [
            {"name": output.name, **({"targetName": output.target_name} if output.target_name else {})}
            for output in definition.outputs
        ],
    }
    return skill, _warnings(definition, uri, measured, skill)


def _input(item: SkillInput) -> dict[str, Any]:
    if item.source is not None:
        return {"name": item.name, "source": item.source}
    return {
        "name": item.name,
        "sourceContext": item.source_context,
        "inputs": [_input(nested) for nested in item.inputs],
    }


def _batch_size(definition: SkillDefinition, waits: float, measured: Measured, most_records: int) -> int:
    """Records that the gateway scores in half of the time it has, at its own parallelism."""
    seconds = measured.seconds or min(_UNMEASURED_SECONDS, definition.timeout)
    calls = usable_seconds(waits) * _calls_at_once(definition, measured) / seconds / _HEADROOM
    return max(1, int(min(calls * definition.gateway.max_records_per_call, most_records, DEFAULT_BATCH)))


def _calls_at_once(definition: SkillDefinition, measured: Measured) -> float:
    return min(definition.degree_of_parallelism, measured.capacity or definition.degree_of_parallelism)


def _parallelism(definition: SkillDefinition, measured: Measured) -> int:
    """Batches at once: as many as it takes to fill the endpoint, where its capacity is known."""
    if measured.capacity is None:
        return _DEFAULT_PARALLELISM
    return max(1, min(_MOST_PARALLELISM, ceil(measured.capacity / definition.degree_of_parallelism)))


def _warnings(definition: SkillDefinition, uri: str, measured: Measured, skill: dict[str, Any]) -> list[str]:
    warnings = [
        f"Replace {KEY_PLACEHOLDER!r} with the key of the function call_skill, never with a host key: "
        "az functionapp function keys list --function-name call_skill -n <app> -g <group> --query default -o tsv. "
        "Where the app has Easy Auth, set authResourceId too, and give the search service's identity the app role Bridge.Skill."
    ]
    if not uri.startswith("https://"):
        warnings.append(
            "An indexer calls https addresses only: use the address of the app in Azure (setting PUBLIC_BASE_URL)."
        )
    if measured.seconds is None:
        warnings.append(
            f"No call was measured in this process yet: batchSize {skill['batchSize']} assumes "
            f"{_UNMEASURED_SECONDS:g} s a call; ask again after a test run."
        )
    if measured.capacity is None:
        warnings.append(
            "The endpoint's capacity is not known, so degreeOfParallelism is the default; "
            "with resourceId instead of uri, this app reads it."
        )
    if definition.timeout > usable_seconds(definition.gateway.deadline or LONGEST_DEADLINE):
        warnings.append(
            f"The skill's timeout of {definition.timeout:g} s is longer than a batch may take: "
            "a slow call ends with the batch's deadline instead."
        )
    if definition.timeout > 180:
        warnings.append(
            "A managed online endpoint ends a request after at most 180 s; a longer timeout has no effect there."
        )
    return warnings
