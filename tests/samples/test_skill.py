"""Is the skill `language` what a skillset would hold?"""

from samples.language.skill import NAME, definition


def test_the_definition_leads_to_the_scoring_port() -> None:
    assert definition(5123)["uri"] == "http://127.0.0.1:5123/score"


def test_the_definition_is_an_aml_skill_that_turns_content_into_a_language_code() -> None:
    skill = definition(5001)

    assert skill["@odata.type"] == "#Microsoft.Skills.Custom.AmlSkill"
    assert skill["name"] == NAME
    assert skill["inputs"] == [{"name": "text", "source": "/document/content"}]
    assert [output["name"] for output in skill["outputs"]] == ["detected_language_code"]
