"""An AmlSkill definition, read strictly."""

from typing import Any

import pytest

from shared.errors import InvalidDefinition
from shared.skills.definition import (
    ErrorText,
    OnError,
    Payload,
    SkillDefinition,
    parse_definition,
    strip_definition,
)
from tests.skills.fakes import URI, definition, document

RESOURCE = (
    "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg"
    "/providers/Microsoft.MachineLearningServices/workspaces/ws1/onlineEndpoints/ep"
)


def by_resource(**members: Any) -> dict[str, Any]:
    return {name: value for name, value in document(resourceId=RESOURCE, **members).items() if name != "uri"}


def refusal(body: Any) -> InvalidDefinition:
    with pytest.raises(InvalidDefinition) as refused:
        parse_definition(strip_definition(body))
    return refused.value


def test_what_is_left_out_has_the_documented_default() -> None:
    skill = parse_definition(
        {"uri": URI, "inputs": [{"name": "a", "source": "/document/a"}], "outputs": [{"name": "b"}]}
    )

    assert skill.context == "/document"
    assert skill.timeout == 30.0
    assert skill.degree_of_parallelism == 5
    assert (skill.name, skill.description, skill.key, skill.resource_id, skill.region) == (None,) * 5
    assert skill.outputs[0].target == "b"
    assert skill.endpoint_id is None
    gateway = skill.gateway
    assert (gateway.retries, gateway.max_records_per_call) == (2, 1)
    assert gateway.retry_statuses == (429, 502, 503, 504)
    assert (gateway.on_error, gateway.payload, gateway.error_detail) == (
        OnError.ERROR,
        Payload.RECORD,
        ErrorText.TEXT,
    )
    assert (gateway.deadline, gateway.deployment, gateway.unwrap_string) == (None, None, False)


def test_every_parameter_is_read() -> None:
    skill = definition(
        name="language",
        description="d",
        context="/document/pages/*",
        key="k",
        timeout="PT1M",
        degreeOfParallelism=10,
        outputs=[{"name": "label", "targetName": "language"}],
        gateway={
            "retries": 0,
            "retryStatuses": [429],
            "onError": "warning",
            "deadline": "PT225S",
            "payload": "dataframe_split",
            "maxRecordsPerCall": 32,
            "deployment": "blue",
            "unwrapString": True,
            "errorDetail": "none",
        },
    )

    assert (skill.name, skill.description, skill.context, skill.key) == ("language", "d", "/document/pages/*", "k")
    assert (skill.timeout, skill.degree_of_parallelism, skill.outputs[0].target) == (60, 10, "language")
    gateway = skill.gateway
    assert (gateway.retries, gateway.retry_statuses, gateway.on_error) == (0, (429,), OnError.WARNING)
    assert (gateway.deadline, gateway.payload, gateway.max_records_per_call) == (225, Payload.DATAFRAME_SPLIT, 32)
    assert (gateway.deployment, gateway.unwrap_string, gateway.error_detail) == ("blue", True, ErrorText.NONE)


def test_an_endpoint_is_named_by_its_resource_id_and_region() -> None:
    skill = parse_definition(strip_definition(by_resource(region="West Europe")))

    assert skill.endpoint_id is not None
    assert skill.endpoint_id.endpoint == "ep"
    assert skill.region == "West Europe"


@pytest.mark.parametrize("spelling", ["#Microsoft.Skills.Custom.AmlSkill", "Microsoft.Skills.Custom.AmlSkill"])
def test_the_type_is_taken_with_or_without_its_hash(spelling: str) -> None:
    stripped = strip_definition(document(**{"@odata.type": spelling}))

    assert stripped["@odata.type"] == "#Microsoft.Skills.Custom.AmlSkill"
    parse_definition(stripped)


PORTAL_COPY = document(
    name=None,
    description=None,
    key=None,
    resourceId=None,
    region=None,
    timeout=None,
    degreeOfParallelism=None,
    inputs=[
        {"name": "text", "source": "/document/text", "sourceContext": None, "inputs": []},
        {
            "name": "shape",
            "source": None,
            "sourceContext": "/document",
            "inputs": [{"name": "a", "source": "/document/a", "sourceContext": None, "inputs": []}],
        },
    ],
    outputs=[{"name": "label", "targetName": None}],
    gateway={"deadline": None, "retries": None},
)


def test_nulls_and_empty_nested_inputs_of_a_portal_copy_count_as_absent() -> None:
    stripped = strip_definition(PORTAL_COPY)

    assert stripped == document(
        inputs=[
            {"name": "text", "source": "/document/text"},
            {"name": "shape", "sourceContext": "/document", "inputs": [{"name": "a", "source": "/document/a"}]},
        ],
        gateway={},
    )
    assert parse_definition(stripped).timeout == 30


def test_what_only_an_answer_holds_is_ignored() -> None:
    assert strip_definition({**document(), "skill": "x", "@odata.etag": '"1"'}) == document()


SHAPED: dict[str, Any] = {"name": "s", "sourceContext": "/document", "inputs": [{"name": "n", "source": "/document/n"}]}


@pytest.mark.parametrize(
    ("body", "place", "says"),
    [
        (document(Uri=URI), "Uri", "names are case-sensitive: did you mean 'uri'?"),
        (document(degreeofparallelism=1), "degreeofparallelism", "did you mean 'degreeOfParallelism'?"),
        (document(degree_of_parallelism=1), "degree_of_parallelism", "did you mean 'degreeOfParallelism'?"),
        (document(resourceID="x"), "resourceID", "did you mean 'resourceId'?"),
        (document(timeOut=None), "timeOut", "did you mean 'timeout'?"),
        (document(contextt=None), "contextt", "did you mean 'context'?"),
        (document(batchSize=5), "batchSize", "there are @odata.type, name,"),
        (document(**{"odata.type": 1}), "odata.type", "did you mean '@odata.type'?"),
        (document(gateway={"retry": 1}), "gateway.retry", "did you mean 'retries'?"),
        (document(gateway={"onerror": None}), "gateway.onerror", "did you mean 'onError'?"),
        (document(outputs=[{"name": "a", "targetname": "b"}]), "outputs[0].targetname", "did you mean 'targetName'?"),
        (document(outputs=[{"name": "a"}, {"name": "b", "x": None}]), "outputs[1].x", "there are name, targetName"),
        (document(inputs=[{"name": "a", "Source": "/document/a"}]), "inputs[0].Source", "did you mean 'source'?"),
        (document(inputs=[SHAPED, {"nam": "b"}]), "inputs[1].nam", "did you mean 'name'?"),
        (
            document(inputs=[{**SHAPED, "inputs": [{"name": "a", "sourcecontext": None}]}]),
            "inputs[0].inputs[0].sourcecontext",
            "did you mean 'sourceContext'?",
        ),
        (document(inputs=[{"name": "a", "source": "/document"}] * 300 + [{"nme": 1}]), "inputs[300].nme", "'name'?"),
        (document(**{"x" * 500: 1}), "x" * 100, "unknown parameter"),
    ],
)
def test_an_unknown_name_is_refused_with_its_place_and_the_nearest(body: Any, place: str, says: str) -> None:
    error = refusal(body)

    assert error.target == place
    assert says in error.message
    assert error.message.startswith(f"{place}: unknown parameter ")
    assert error.details[0].code == "UnknownParameter"


def test_a_thousand_unknown_names_are_not_all_told() -> None:
    error = refusal(document(**{f"unknown{number}": 1 for number in range(1000)}))

    assert len(error.details) == 20
    assert error.message.endswith("(and 19 more, see details)")


@pytest.mark.parametrize("body", [None, [], "text", 5, True])
def test_a_body_that_is_no_object_is_refused(body: Any) -> None:
    assert "a definition is a JSON object" in refusal(body).message


@pytest.mark.parametrize(
    ("members", "place", "says"),
    [
        ({"@odata.type": "#Microsoft.Skills.Custom.WebApiSkill"}, "@odata.type", "'#Microsoft.Skills.Custom.AmlSkill'"),
        ({"@odata.type": 5}, "@odata.type", "'#Microsoft.Skills.Custom.AmlSkill'"),
        ({"timeout": "PT0.9S"}, "timeout", "must be from 1 to 230 seconds; PT0.9S is 0.9"),
        ({"timeout": "PT231S"}, "timeout", "must be from 1 to 230 seconds; PT231S is 231"),
        ({"timeout": "30"}, "timeout", "is not an XSD dayTimeDuration"),
        ({"timeout": "P1M"}, "timeout", "is not an XSD dayTimeDuration"),
        ({"timeout": "PT"}, "timeout", "is not an XSD dayTimeDuration"),
        ({"timeout": "-PT5S"}, "timeout", "is not an XSD dayTimeDuration"),
        ({"timeout": 30}, "timeout", "must be a string, an XSD dayTimeDuration such as PT30S"),
        ({"degreeOfParallelism": 0}, "degreeOfParallelism", "must be at least 1"),
        ({"degreeOfParallelism": 11}, "degreeOfParallelism", "must be at most 10"),
        ({"degreeOfParallelism": "5"}, "degreeOfParallelism", "must be a whole number"),
        ({"degreeOfParallelism": True}, "degreeOfParallelism", "must be a whole number"),
        ({"degreeOfParallelism": 5.5}, "degreeOfParallelism", "must be a whole number"),
        ({"name": ""}, "name", "must be a name of 1 to 255 characters"),
        ({"name": 5}, "name", "must be a string"),
        ({"description": ["x"]}, "description", "must be a string"),
        ({"context": "/doc"}, "context", "does not start with /document"),
        ({"context": 5}, "context", "must be a string"),
        ({"uri": 5}, "uri", "must be a string"),
        ({"key": "a b"}, "key", "must be printable ASCII without spaces"),
        ({"key": "clé"}, "key", "must be printable ASCII without spaces"),
        ({"key": ""}, "key", "must be printable ASCII without spaces"),
        ({"inputs": None}, "inputs", "is required"),
        ({"outputs": None}, "outputs", "is required"),
        ({"inputs": []}, "inputs", "needs at least one item"),
        ({"outputs": []}, "outputs", "needs at least one item"),
        ({"inputs": {}}, "inputs", "must be an array"),
        ({"inputs": ["x"]}, "inputs[0]", "must be an object"),
        ({"inputs": [{"source": "/document/a"}]}, "inputs[0].name", "is required"),
        ({"inputs": [{"name": "a"}]}, "inputs[0]", "needs a source, or a sourceContext with nested inputs"),
        ({"inputs": [{"name": "a", "inputs": []}]}, "inputs[0]", "needs a source"),
        ({"inputs": [{"name": "a", "sourceContext": "/document"}]}, "inputs[0]", "needs a source"),
        ({"inputs": [{"name": "a", "source": "x"}]}, "inputs[0].source", "does not start with /document"),
        ({"inputs": [{"name": "a", "source": "=["}]}, "inputs[0].source", "expected a value"),
        ({"inputs": [{"name": "a", "source": 5}]}, "inputs[0].source", "must be a string"),
        ({"inputs": [{**SHAPED, "sourceContext": "/x"}]}, "inputs[0].sourceContext", "does not start with /document"),
        ({"inputs": [{**SHAPED, "sourceContext": "='x'"}]}, "inputs[0].sourceContext", "does not start with"),
        ({"inputs": [{**SHAPED, "sourceContext": None}]}, "inputs[0]", "nested inputs need a sourceContext"),
        ({"inputs": [{**SHAPED, "source": "/document/a"}]}, "inputs[0]", "source excludes sourceContext"),
        (
            {"inputs": [{**SHAPED, "inputs": SHAPED["inputs"] * 2}]},
            "inputs[0]",
            "the input 'n' is there more than once",
        ),
        ({"inputs": [{"name": "a", "source": "/document/a"}] * 2}, None, "the input 'a' is there more than once"),
        (
            {"outputs": [{"name": "a"}, {"name": "a", "targetName": "b"}]},
            None,
            "the output 'a' is there more than once",
        ),
        ({"outputs": [{"name": "a"}, {"name": "b", "targetName": "a"}]}, None, "the output target 'a' is there more"),
        ({"outputs": [{"name": "a", "targetName": ""}]}, "outputs[0].targetName", "must be a name of 1 to 255"),
        ({"gateway": []}, "gateway", "must be an object"),
        ({"gateway": {"retries": -1}}, "gateway.retries", "must be at least 0"),
        ({"gateway": {"retries": 11}}, "gateway.retries", "must be at most 10"),
        ({"gateway": {"retries": False}}, "gateway.retries", "must be a whole number"),
        ({"gateway": {"retryStatuses": 429}}, "gateway.retryStatuses", "must be an array"),
        ({"gateway": {"retryStatuses": [200]}}, "gateway.retryStatuses[0]", "must be at least 400"),
        ({"gateway": {"retryStatuses": [429, 600]}}, "gateway.retryStatuses[1]", "must be at most 599"),
        ({"gateway": {"retryStatuses": ["429"]}}, "gateway.retryStatuses[0]", "must be a whole number"),
        ({"gateway": {"onError": "ignore"}}, "gateway.onError", "must be 'error' or 'warning'"),
        ({"gateway": {"onError": "Warning"}}, "gateway.onError", "must be 'error' or 'warning'"),
        ({"gateway": {"deadline": "PT226S"}}, "gateway.deadline", "must be from 1 to 225 seconds; PT226S is 226"),
        ({"gateway": {"deadline": "PT0.5S"}}, "gateway.deadline", "must be from 1 to 225 seconds"),
        ({"gateway": {"deadline": 60}}, "gateway.deadline", "must be a string"),
        ({"gateway": {"payload": "split"}}, "gateway.payload", "'record', 'dataframe_split' or 'instances'"),
        ({"gateway": {"maxRecordsPerCall": 2}}, "gateway", 'needs payload "dataframe_split" or "instances"'),
        ({"gateway": {"maxRecordsPerCall": 0}}, "gateway.maxRecordsPerCall", "must be at least 1"),
        (
            {"gateway": {"maxRecordsPerCall": 1001, "payload": "instances"}},
            "gateway.maxRecordsPerCall",
            "must be at most 1000",
        ),
        ({"gateway": {"deployment": "blue\r\nx: y"}}, "gateway.deployment", "must match"),
        ({"gateway": {"deployment": ""}}, "gateway.deployment", "must match"),
        ({"gateway": {"unwrapString": "true"}}, "gateway.unwrapString", "must be true or false"),
        ({"gateway": {"unwrapString": 1}}, "gateway.unwrapString", "must be true or false"),
        ({"gateway": {"errorDetail": "all"}}, "gateway.errorDetail", "must be 'none', 'status' or 'text'"),
        ({"uri": None}, None, "give uri (key or no authentication) or resourceId (token authentication)"),
        ({"resourceId": RESOURCE}, None, "and only one of them"),
        ({"region": "westeurope"}, None, "region goes only with resourceId"),
        ({"uri": None, "resourceId": RESOURCE, "key": "k"}, None, "key goes only with uri"),
        ({"uri": None, "resourceId": "ep"}, "resourceId", "not the resource id of an online endpoint"),
        ({"uri": None, "resourceId": RESOURCE, "region": ""}, "region", "must match"),
        ({"uri": None, "resourceId": RESOURCE, "region": "a/b"}, "region", "must match"),
    ],
)
def test_a_wrong_value_is_refused_with_its_place(members: dict[str, Any], place: str | None, says: str) -> None:
    error = refusal(document(**members))

    assert error.target == place
    assert says in error.message
    assert error.message.startswith(f"{place or 'the definition'}: ")
    assert error.status == 400


@pytest.mark.parametrize("timeout", ["PT1S", "PT230S", "PT3M50S", "PT1.5S"])
def test_the_limits_of_timeout_are_within(timeout: str) -> None:
    assert 1 <= definition(timeout=timeout).timeout <= 230


def test_all_faults_are_told_at_once() -> None:
    error = refusal(document(timeout="x", degreeOfParallelism=0, outputs=[]))

    assert [detail.target for detail in error.details] == ["outputs", "timeout", "degreeOfParallelism"]
    assert error.message == "outputs: needs at least one item (and 2 more, see details)"


def test_a_refusal_repeats_no_key() -> None:
    error = refusal(document(key="very secret", timeout="x"))

    assert "secret" not in repr([error.message, error.details])


def test_operators_are_the_indexers_business_in_a_definition() -> None:
    skill = definition(inputs=[{"name": "a", "source": "=$(/document/a) + 'x'"}])

    assert skill.inputs[0].source == "=$(/document/a) + 'x'"


def nested(depth: int) -> dict[str, Any]:
    item: dict[str, Any] = {"name": "leaf", "source": "/document/a"}
    for _ in range(depth):
        item = {"name": "shape", "sourceContext": "/document", "inputs": [item]}
    return item


def test_shapes_nest_deeply() -> None:
    definition(inputs=[nested(20)])


@pytest.mark.parametrize(
    ("members", "says"),
    [
        ({"inputs": [nested(21)]}, "nested inputs go at most 20 levels deep"),
        ({"inputs": [nested(3000)]}, "nested inputs go at most 20 levels deep"),
    ],
)
def test_shapes_that_nest_too_deeply_are_refused(members: dict[str, Any], says: str) -> None:
    assert says in refusal(document(**members)).message


def test_values_that_nest_too_deeply_are_refused() -> None:
    deep: Any = "x"
    for _ in range(3000):
        deep = [deep]

    assert "nests values more than 50 levels deep" in refusal(document(description=deep)).message


def test_a_definition_cannot_be_changed() -> None:
    skill: Any = definition()

    with pytest.raises(ValueError, match="frozen"):
        skill.timeout = 5
    assert isinstance(skill, SkillDefinition)
