"""The examples of the AML skill's own documentation, equal as JSON."""

import json
from pathlib import Path
from typing import Any

import pytest

from shared.conditions import Conditions
from shared.errors import InvalidDefinition
from shared.skills.addresses import ScoringHosts
from shared.skills.catalog import SkillCatalog
from shared.skills.contract import Record, render_response
from shared.skills.definition import parse_definition, strip_definition
from shared.skills.documents import enrich_documents
from shared.skills.enrichment import enrich_records, score_inputs
from tests.skills.fakes import NOON, Call, MemoryStore, Reply, say, skill
from tests.support.virtual_time import in_virtual_time

FOLDER = Path(__file__).parents[1] / "golden" / "skills"
DOCUMENT = {"content": "Este es un contrato en Inglés"}
ALLOWED = ScoringHosts(["count-things.com"])


def golden(name: str) -> Any:
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("example", ["sample", "shaping"])
@in_virtual_time
async def test_an_example_is_enriched_as_documented(example: str) -> None:
    def script(call: Call) -> Reply:
        assert call.body == golden(f"{example}_input")
        return say(golden(f"{example}_output"))

    ready, endpoint = skill(script, **golden(f"{example}_definition"))

    [enriched] = await enrich_documents(ready, [DOCUMENT], 27)

    assert len(endpoint.calls) == 1
    assert enriched.render() == {
        "document": {**DOCUMENT, **golden(f"{example}_output")},
        "errors": [],
        "warnings": [],
    }


@pytest.mark.parametrize("example", ["sample", "shaping"])
@in_virtual_time
async def test_an_example_is_the_same_through_the_envelope_and_the_bare_contract(example: str) -> None:
    ready, endpoint = skill(lambda _: say(golden(f"{example}_output")), **golden(f"{example}_definition"))

    bare = await score_inputs(ready, golden(f"{example}_input"), 27)
    results = await enrich_records(ready, [Record("1", golden(f"{example}_input"))], 27)

    assert bare == golden(f"{example}_output")
    assert render_response(results) == {
        "values": [{"recordId": "1", "data": golden(f"{example}_output"), "errors": [], "warnings": []}]
    }
    assert [call.body for call in endpoint.calls] == [golden(f"{example}_input")] * 2


@pytest.mark.parametrize("example", ["sample", "shaping"])
@in_virtual_time
async def test_an_example_is_saved_where_its_host_is_allowed(example: str) -> None:
    given = golden(f"{example}_definition")
    catalog = SkillCatalog(MemoryStore(), ALLOWED, allow_literal_keys=False)

    stored, is_new = await catalog.put("language", given, Conditions(), NOON)

    assert is_new
    assert stored.document == given
    assert parse_definition(strip_definition(given)) == stored.definition()


@in_virtual_time
async def test_an_example_is_refused_where_its_host_is_not_allowed() -> None:
    catalog = SkillCatalog(MemoryStore(), ScoringHosts(), allow_literal_keys=False)

    with pytest.raises(InvalidDefinition, match=r"uri: the host contoso\.count-things\.com is not on the allow-list"):
        await catalog.put("language", golden("sample_definition"), Conditions(), NOON)
