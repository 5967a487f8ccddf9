"""The skill to paste into a skillset."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.duration import parse_duration
from shared.skills.deadlines import caller_waits, usable_seconds
from shared.skills.definition import SkillDefinition
from shared.skills.web_api_skill import Measured, web_api_skill
from tests.skills.fakes import definition

APP = "https://bridge.azurewebsites.net/api/skills/churn"
WELL_KNOWN = Measured(seconds=0.1, capacity=8)


def made(skill: SkillDefinition, measured: Measured = WELL_KNOWN, **more: Any) -> tuple[dict[str, Any], list[str]]:
    return web_api_skill(skill, more.pop("uri", APP), measured, most_records=more.pop("most_records", 1000))


def test_it_is_the_definition_as_a_web_api_skill() -> None:
    shaped = {"name": "s", "sourceContext": "/document", "inputs": [{"name": "n", "source": "=1"}]}
    skill, _ = made(
        definition(
            name="n",
            description="d",
            context="/document/pages/*",
            inputs=[{"name": "text", "source": "/document/text"}, shaped],
            outputs=[{"name": "label", "targetName": "language"}, {"name": "score"}],
            key="secret",
        )
    )

    assert skill == {
        "@odata.type": "#Microsoft.Skills.Custom.WebApiSkill",
        "name": "n",
        "description": "d",
        "context": "/document/pages/*",
        "uri": APP,
        "httpMethod": "POST",
        "httpHeaders": {"x-bridge-deadline": "PT3M45S", "x-functions-key": "<the function key of call_skill>"},
        "timeout": "PT3M50S",
        "batchSize": 1000,
        "degreeOfParallelism": 2,
        "inputs": [{"name": "text", "source": "/document/text"}, shaped],
        "outputs": [{"name": "label", "targetName": "language"}, {"name": "score"}],
    }


seconds = st.floats(1e-300, 1000) | st.none() | st.just(0.0)


@given(
    st.integers(1, 10),
    st.integers(1, 230),
    st.integers(1, 225) | st.none(),
    st.integers(1, 1000),
    st.builds(Measured, seconds, st.floats(0, 10_000) | st.none()),
    st.integers(1, 5000),
)
def test_its_figures_are_within_the_limits_of_azure_ai_search(
    parallelism: int, timeout: int, deadline: int | None, per_call: int, measured: Measured, most_records: int
) -> None:
    given = definition(
        degreeOfParallelism=parallelism,
        timeout=f"PT{timeout}S",
        gateway={
            "deadline": f"PT{deadline}S" if deadline else None,
            "payload": "instances",
            "maxRecordsPerCall": per_call,
        },
    )

    skill, warnings = made(given, measured, most_records=most_records)

    assert 1 <= skill["batchSize"] <= min(1000, most_records)
    assert isinstance(skill["batchSize"], int)
    assert 1 <= skill["degreeOfParallelism"] <= 10
    assert 1 <= parse_duration(skill["timeout"]) <= 230
    waits = caller_waits(given, skill["httpHeaders"]["x-bridge-deadline"], 30)
    assert waits < parse_duration(skill["timeout"])
    assert warnings


@given(st.floats(0.001, 20), st.integers(1, 10), st.integers(1, 32))
def test_a_batch_needs_half_of_its_time_at_most(call_seconds: float, parallelism: int, per_call: int) -> None:
    given = definition(degreeOfParallelism=parallelism, gateway={"payload": "instances", "maxRecordsPerCall": per_call})

    skill, _ = made(given, Measured(call_seconds, None))

    needed = skill["batchSize"] / per_call * call_seconds / parallelism
    assert skill["batchSize"] == 1 or needed <= usable_seconds(225) / 2 + 1e-6


def test_an_endpoint_of_little_capacity_gets_smaller_batches() -> None:
    large, _ = made(definition(), Measured(1.0, None))
    small, _ = made(definition(), Measured(1.0, 2))

    assert (large["batchSize"], small["batchSize"]) == (506, 202)
    assert small["degreeOfParallelism"] == 1


@pytest.mark.parametrize(
    ("given", "measured", "uri", "says"),
    [
        ({}, WELL_KNOWN, APP, "Replace '<the function key of call_skill>'"),
        ({}, WELL_KNOWN, "http://127.0.0.1:7071/api/skills/churn", "An indexer calls https addresses only"),
        ({}, Measured(None, 8), APP, "No call was measured in this process yet: batchSize"),
        ({}, Measured(0.1, None), APP, "The endpoint's capacity is not known"),
        ({"timeout": "PT220S"}, WELL_KNOWN, APP, "The skill's timeout of 220 s is longer than a batch may take"),
        ({"timeout": "PT200S"}, WELL_KNOWN, APP, "A managed online endpoint ends a request after at most 180 s"),
        (
            {"timeout": "PT30S", "gateway": {"deadline": "PT20S"}},
            WELL_KNOWN,
            APP,
            "The skill's timeout of 30 s is longer than a batch may take",
        ),
    ],
)
def test_what_needs_to_be_known_is_a_warning(given: dict[str, Any], measured: Measured, uri: str, says: str) -> None:
    _, warnings = made(definition(**given), measured, uri=uri)

    assert [warning for warning in warnings if warning.startswith(says)]


def test_a_skill_that_is_well_known_has_the_one_warning_of_its_key() -> None:
    assert len(made(definition())[1]) == 1
