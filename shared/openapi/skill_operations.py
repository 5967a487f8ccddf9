"""The routes under `/api/skills`."""

from shared.openapi.operations import (
    ETAG,
    GONE,
    IF_MATCH,
    IF_NONE_MATCH,
    Answer,
    Operation,
    header,
    lists,
    reads,
    saves,
)
from shared.openapi.skill_shapes import (
    Documents,
    EnrichedDocuments,
    RecordResults,
    Records,
    Skills,
    SkillStats,
    StoredSkill,
    WebApiSkill,
)
from shared.openapi.values import Inputs, Outputs
from shared.skills.definition import SkillDefinition

_SKILLS = "/api/skills"
_SKILL = "/api/skills/{skill}"
_DEADLINE = header("x-bridge-deadline", "How long the caller waits, as a dayTimeDuration such as `PT30S`.")

SKILL_OPERATIONS = (
    Operation("list_skills", "GET", _SKILLS, "List skills", lists(Skills)),
    Operation(
        "put_skill",
        "PUT",
        _SKILL,
        "Save a skill",
        saves(StoredSkill),
        "Takes an AmlSkill definition as it was copied from a skillset, with an optional `gateway` member. Names are "
        'case-sensitive. `"key": "***"` keeps the stored key while scheme, host and port of `uri` stay.',
        (IF_MATCH, IF_NONE_MATCH),
        SkillDefinition,
        errors=(400, 409, 412, 413),
    ),
    Operation(
        "get_skill",
        "GET",
        _SKILL,
        "Read a skill",
        {200: Answer("As it was saved.", StoredSkill, headers=ETAG)},
        errors=(404,),
    ),
    Operation("delete_skill", "DELETE", _SKILL, "Delete a skill", GONE, parameters=(IF_MATCH,), errors=(404, 409, 412)),
    Operation(
        "call_skill",
        "POST",
        _SKILL,
        "Enrich records: the custom skill that an indexer calls",
        reads(RecordResults, "Each record has data or errors, never both."),
        "If no record was scored and every failure was a push-back (429, 503) or a closed limiter, the answer is 503 "
        "with `Retry-After`, so that the indexer sends the batch again. In every other case it is 200.",
        (_DEADLINE,),
        Records,
        errors=(400, 404, 413, 503),
    ),
    Operation(
        "score_skill",
        "POST",
        f"{_SKILL}/score",
        "Score one inputs object, as an Azure Machine Learning endpoint does",
        reads(Outputs, "The declared outputs."),
        "So that an existing AmlSkill can point its `uri` here. 429 and 503 of the endpoint come back as such.",
        (_DEADLINE,),
        Inputs,
        errors=(400, 404, 413, 429, 502, 503, 504),
    ),
    Operation(
        "enrich_skill",
        "POST",
        f"{_SKILL}/enrich",
        "Enrich whole documents, as an indexer would",
        reads(EnrichedDocuments, "The documents with what the skill added, in their order."),
        "Evaluates context, sources, shaping and target names.",
        (_DEADLINE,),
        Documents,
        errors=(400, 404, 413, 503),
    ),
    Operation(
        "web_api_skill_of",
        "GET",
        f"{_SKILL}/web-api-skill",
        "The WebApiSkill to paste into a skillset",
        reads(WebApiSkill, "The skill's JSON without a key, and warnings that explain its figures."),
        errors=(404,),
    ),
    Operation(
        "skill_stats",
        "GET",
        f"{_SKILL}/stats",
        "Figures of a skill in the process that answers",
        reads(SkillStats, "Since the process began."),
        errors=(404,),
    ),
)
