"""A workflow's document, read strictly."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import InvalidDefinition
from shared.workflows.definition import Provider, SchemaChange, merged, parse_workflow
from tests.workflows.fakes import document, workflow


def refusal(body: Any) -> InvalidDefinition:
    with pytest.raises(InvalidDefinition) as refused:
        parse_workflow(body)
    return refused.value


def test_what_is_left_out_has_the_documented_default() -> None:
    found = workflow()

    assert found.provider is Provider.COMPONENT
    assert (found.output, found.output_path_parameter, found.output_datastore_parameter) == (None,) * 3
    assert (found.required_data, found.columns, found.schedule) == ({}, {}, None)
    assert found.timeout == 6 * 3600
    quality = found.quality
    assert (quality.min_rows, quality.max_rejected_ratio, quality.max_row_count_change_ratio) == (1, 0.01, 0.5)
    assert quality.schema_change is SchemaChange.ADDITIVE


def test_every_member_is_read() -> None:
    found = workflow(
        provider="batchEndpoint",
        pipeline="customer_value@latest",
        outputPath="/outputs/value.csv/",
        outputPathParameter="output_path",
        outputDatastoreParameter="output_datastore",
        requiredData={
            "transactions": {"path": "azureml://datastores/d/paths/p"},
            "prior": {"entity": "Other", "format": "parquet"},
            "threshold": {"value": 0.5},
        },
        columns={"score": "Edm.Double"},
        timeout="PT90M",
        schedule={"cron": "0 6 * * *", "timeZone": "Europe/Berlin", "enabled": False},
        quality={"minRows": 0, "maxRejectedRatio": 1, "maxRowCountChangeRatio": 3, "schemaChange": "any"},
    )

    assert (found.connection, found.pipeline, found.provider) == (
        "contoso",
        "customer_value@latest",
        Provider.BATCH_ENDPOINT,
    )
    assert (found.output_path, found.output_datastore) == ("outputs/value.csv", "workspaceblobstore")
    assert (found.output_path_parameter, found.output_datastore_parameter) == ("output_path", "output_datastore")
    assert (found.output_entity, found.primary_key, found.customer_id) == (
        "CustomerValue",
        "customer_id",
        "customer_id",
    )
    data = found.required_data
    assert data["transactions"].path == "azureml://datastores/d/paths/p"
    assert (data["prior"].entity, data["prior"].format) == ("Other", "parquet")
    assert data["threshold"].value == 0.5
    assert (found.columns, found.timeout) == ({"score": "Edm.Double"}, 5400)
    assert found.schedule is not None
    assert (found.schedule.cron, found.schedule.time_zone, found.schedule.enabled) == (
        "0 6 * * *",
        "Europe/Berlin",
        False,
    )
    quality = found.quality
    assert (quality.min_rows, quality.max_rejected_ratio, quality.max_row_count_change_ratio) == (0, 1, 3)
    assert quality.schema_change is SchemaChange.ANY


@pytest.mark.parametrize("value", ["text", "", 5, 0.5, True, False, 0])
def test_a_literal_keeps_its_type(value: object) -> None:
    found = workflow(requiredData={"x": {"value": value}}).required_data["x"].value

    assert (found, type(found)) == (value, type(value))


def test_nulls_are_absent_at_every_level() -> None:
    body = document(
        output=None,
        schedule=None,
        timeout=None,
        quality={"minRows": None},
        requiredData={"a": None, "b": {"path": None, "value": 1}},
    )

    found = parse_workflow(body)

    assert found == workflow(requiredData={"b": {"value": 1}})


def test_what_only_answers_hold_is_ignored() -> None:
    body = document(ready=True, missing=[], lastRun={}, nextRuns=[], published=None, pipelineVersion="3", name="churn")

    assert parse_workflow(body) == workflow()


UNKNOWN = [
    (document(outputPth="x"), "outputPth", "did you mean 'outputPath'?"),
    (document(output_path="x"), "output_path", "did you mean 'outputPath'?"),
    (document(OutputEntity="x"), "OutputEntity", "names are case-sensitive: did you mean 'outputEntity'?"),
    (document(zzz=1), "zzz", "there are connection, pipeline"),
    (document(schedule={"cron": "* * * * *", "timezone": "UTC"}), "schedule.timezone", "did you mean 'timeZone'?"),
    (document(quality={"minRow": 1}), "quality.minRow", "did you mean 'minRows'?"),
    (
        document(requiredData={"a": {"entitty": "E"}}),
        "requiredData.a.entitty",
        "did you mean 'entity'?",
    ),
    (document(requiredData={"path": {"pth": "E"}}), "requiredData.path.pth", "did you mean 'path'?"),
]


@pytest.mark.parametrize(("body", "place", "nearest"), UNKNOWN)
def test_an_unknown_name_is_told_with_the_nearest(body: dict[str, Any], place: str, nearest: str) -> None:
    details = {detail.target: detail.message for detail in refusal(body).details}

    assert nearest in details[place]


@pytest.mark.parametrize(
    "name",
    ["connection", "pipeline", "outputPath", "outputDatastore", "outputEntity", "primaryKey", "customerId"],
)
def test_a_required_member_is_asked_for(name: str) -> None:
    body = document()
    del body[name]

    error = refusal(body)

    assert (error.target, error.message) == (name, f"{name}: is required")


def test_every_fault_is_told_at_once() -> None:
    error = refusal({})

    assert len(error.details) == 7
    assert "(and 6 more, see details)" in error.message


@pytest.mark.parametrize("body", [None, [], "text", 5, True])
def test_a_workflow_is_an_object(body: object) -> None:
    assert refusal(body).message == "a workflow is a JSON object"


WRONG = [
    ("connection", "9lives", "starts with a letter"),
    ("connection", "a" * 64, "at most 63"),
    ("connection", "a-b", "letters, digits and underscores"),
    ("connection", 5, "must be a string"),
    ("outputEntity", "Customer Value", "starts with a letter"),
    ("pipeline", "", "name@latest"),
    ("pipeline", "a:b:c", "name@latest"),
    ("pipeline", "a@newest", "name@latest"),
    ("pipeline", "a/b", "name@latest"),
    ("provider", "published", "must be"),
    ("outputPath", "", "path of names"),
    ("outputPath", "/", "path of names"),
    ("outputPath", "a//b", "path of names"),
    ("outputPath", "../other", "path of names"),
    ("outputPath", "a/../../b", "path of names"),
    ("outputPath", "a/%2e%2E/b", "path of names"),
    ("outputPath", "a/./b", "path of names"),
    ("outputPath", "a\\b", "backslash"),
    ("outputPath", "a\nb", "control"),
    ("outputPath", "a%00b", "control"),
    ("outputPath", "a\x7fb", "control"),
    ("outputPath", "a" * 701, "at most 700"),
    ("outputDatastore", "", "at least 1"),
    ("primaryKey", "", "at least 1"),
    ("customerId", "a" * 256, "at most 255"),
    ("requiredData", [], "must be an object"),
    ("requiredData", "text", "must be an object"),
    ("columns", {"score": "Double"}, "must be 'Edm.Boolean'"),
    ("timeout", 60, "dayTimeDuration"),
    ("timeout", "6h", "dayTimeDuration"),
    ("timeout", "PT59S", "PT1M to P21D"),
    ("timeout", "P22D", "PT1M to P21D"),
    ("schedule", "0 6 * * *", "must be an object"),
    ("schedule", {}, "is required"),
    ("schedule", {"cron": 5}, "must be a string"),
    ("schedule", {"cron": "* * * * *", "enabled": "yes"}, "must be true or false"),
    ("quality", {"minRows": -1}, "at least 0"),
    ("quality", {"minRows": 1.5}, "whole number"),
    ("quality", {"maxRejectedRatio": 1.1}, "at most 1"),
    ("quality", {"maxRejectedRatio": "0.5"}, "must be a number"),
    ("quality", {"maxRejectedRatio": True}, "must be a number"),
    ("quality", {"maxRowCountChangeRatio": -1}, "at least 0"),
    ("quality", {"schemaChange": "some"}, "must be"),
]


@pytest.mark.parametrize(("name", "value", "reason"), WRONG)
def test_a_wrong_value_is_refused_with_its_place(name: str, value: object, reason: str) -> None:
    error = refusal(document(**{name: value}))

    assert str(error.target).startswith(name)
    assert reason in error.message


REQUIRED_DATA: list[tuple[dict[str, Any], str]] = [
    ({}, "has one of path, value and entity"),
    ({"path": "azureml://a", "value": 1}, "has one of path, value and entity"),
    ({"entity": "E", "value": ""}, "has one of path, value and entity"),
    ({"value": {}}, "must be a string, a number, true or false"),
    ({"value": [1]}, "must be a string, a number, true or false"),
    ({"entity": "a b"}, "starts with a letter"),
    ({"entity": "E", "format": "json"}, "must be 'csv' or 'parquet'"),
    ({"value": 1, "format": "csv"}, "format is for the export of an entity"),
    ({"path": 5}, "must be a string"),
]


@pytest.mark.parametrize(("data", "reason"), REQUIRED_DATA)
def test_required_data_has_one_source(data: dict[str, Any], reason: str) -> None:
    error = refusal(document(requiredData={"x": data}))

    assert str(error.target).startswith("requiredData.x")
    assert reason in error.message


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ({"outputPathParameter": "p"}, "go together"),
        ({"outputDatastoreParameter": "p"}, "go together"),
        ({"output": "o", "outputPathParameter": "p", "outputDatastoreParameter": "d"}, "exclude each other"),
    ],
)
def test_the_outputs_place_is_given_one_way(members: dict[str, Any], reason: str) -> None:
    assert reason in refusal(document(**members)).message


@pytest.mark.parametrize("name", ["p", "p:3", "p:3.1-b", "p@latest", "customer.value-2_x"])
def test_a_pipeline_is_named_with_or_without_version(name: str) -> None:
    assert workflow(pipeline=name).pipeline == name


MERGES = [
    ({"a": 1}, {}, {"a": 1}),
    ({"a": 1}, {"b": 2}, {"a": 1, "b": 2}),
    ({"a": 1}, {"a": None}, {}),
    ({}, {"a": None}, {}),
    ({"a": {"b": 1, "c": 2}}, {"a": {"b": None, "d": 3}}, {"a": {"c": 2, "d": 3}}),
    ({"a": 1}, {"a": {"b": None, "c": 1}}, {"a": {"c": 1}}),
    ({}, {"a": {"b": {"c": None}}}, {"a": {"b": {}}}),
    ({"a": {"b": 1}}, {"a": [1, None]}, {"a": [1, None]}),
    ({"a": [1, 2]}, {"a": [3]}, {"a": [3]}),
]


@pytest.mark.parametrize(("stored", "patch", "expected"), MERGES)
def test_a_patch_is_merged(stored: dict[str, Any], patch: dict[str, Any], expected: dict[str, Any]) -> None:
    before = repr(stored)

    assert merged(stored, patch) == expected
    assert repr(stored) == before


@pytest.mark.parametrize("patch", [None, [], "text", 5])
def test_a_patch_is_an_object(patch: object) -> None:
    with pytest.raises(InvalidDefinition, match="a PATCH is a JSON object"):
        merged({}, patch)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.sampled_from(sorted(document(requiredData=0, columns=0, schedule=0, quality=0, timeout=0))), _JSON)
def test_any_json_is_a_workflow_or_refused(name: str, value: Any) -> None:
    try:
        parse_workflow(document(**{name: value}))
    except InvalidDefinition as error:
        assert error.details  # noqa: PT017


def test_a_name_of_any_length_is_told_short() -> None:
    error = refusal(document(requiredData={"x" * 5000: {}}))

    assert len(error.message) < 300
