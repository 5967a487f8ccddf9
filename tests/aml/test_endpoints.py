"""Which skills share a limiter?"""

from datetime import UTC, datetime

import httpx
import pytest

from shared.aml.endpoints import Endpoints, SkillKey
from shared.settings import Settings
from shared.skills.definition import SkillDefinition, parse_definition
from tests.aml.fakes import ENDPOINT, SCORING_URI, FakeArm, FakeIdentity, resource_manager
from tests.aml.test_capacity import FakeProcesses


def endpoints() -> Endpoints:
    return Endpoints(
        httpx.MockTransport(FakeArm()),
        FakeIdentity().tokens(),
        resource_manager(FakeArm()),
        FakeProcesses,
        Settings(),
        process_id="p1",
        now=lambda: datetime(2026, 1, 1, tzinfo=UTC),
    )


def definition(deployment: str | None = None, **address: str) -> SkillDefinition:
    return parse_definition(
        {
            "inputs": [{"name": "text", "source": "/document/content"}],
            "outputs": [{"name": "language"}],
            **({"gateway": {"deployment": deployment}} if deployment else {}),
            **address,
        }
    )


URI = definition(uri=SCORING_URI)
RESOURCE = definition(resourceId=ENDPOINT.path)


@pytest.mark.parametrize(
    ("one", "other", "together"),
    [
        (URI, definition(uri=SCORING_URI), True),
        (RESOURCE, definition(resourceId=ENDPOINT.path.upper()), True),
        (RESOURCE, definition(resourceId=ENDPOINT.path[1:]), True),
        (URI, RESOURCE, False),
        (URI, definition(uri=f"{SCORING_URI}/v2"), False),
        (RESOURCE, definition("blue", resourceId=ENDPOINT.path), False),
        (definition("blue", uri=SCORING_URI), definition("green", uri=SCORING_URI), False),
    ],
)
def test_skills_on_one_endpoint_share_its_limiter_and_budget(
    one: SkillDefinition, other: SkillDefinition, together: bool
) -> None:
    made = endpoints()
    first, second = made.for_skill(one, None), made.for_skill(other, None)

    assert (first.limiter is second.limiter) is together
    assert (first.budget is second.budget) is together


async def test_only_a_resource_has_a_capacity_to_ask_for() -> None:
    assert await endpoints().for_skill(URI, SkillKey(lambda: "k")).capacity() is None
