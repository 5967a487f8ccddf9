"""What is the skill `language`? An AmlSkill over the sample endpoint, as a skillset would hold it."""

import json
from pathlib import Path
from string import Template
from typing import Any

NAME = "language"
SKILL = Path(__file__).with_name("skill.json")


def definition(scoring_port: int) -> dict[str, Any]:
    """The body of `PUT /api/skills/language`; its uri leads to the endpoint on `scoring_port`."""
    text = Template(SKILL.read_text(encoding="utf-8")).substitute(SCORING_PORT=scoring_port)
    skill: dict[str, Any] = json.loads(text)
    return skill
