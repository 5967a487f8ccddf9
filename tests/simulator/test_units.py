"""The simulator's small rules: connection strings, references, command lines, orders."""

from typing import Any

import pytest

from simulator.arm.datastores import Account
from simulator.arm.models import local_workspace
from simulator.jobs.pipeline import BadPipeline, in_order
from simulator.jobs.steps import command_line
from simulator.jobs.uris import BadDataUri, DataUri
from tests.simulator.arm import WORKSPACE

COMMAND = "python score.py --in ${{inputs.summary}} --out ${{outputs.scores}} $[[--days ${{inputs.days}}]]"


@pytest.mark.parametrize(
    ("connection", "account"),
    [
        (
            "AccountName=devstoreaccount1;AccountKey=k==;BlobEndpoint=http://127.0.0.1:10000/devstoreaccount1;",
            Account("devstoreaccount1", "k==", "http", "localhost:10000"),
        ),
        (
            "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=k;EndpointSuffix=core.windows.net",
            Account("a", "k", "https", "core.windows.net"),
        ),
        (
            "AccountName=a;AccountKey=k;BlobEndpoint=https://a.blob.example.net",
            Account("a", "k", "https", "example.net"),
        ),
    ],
)
def test_the_account_of_a_connection_string(connection: str, account: Account) -> None:
    assert Account.of(connection) == account


@pytest.mark.parametrize(
    "text",
    [
        "azureml://datastores/lake/paths/a/b.csv",
        f"azureml:/{WORKSPACE}/datastores/lake/paths/a/b.csv",
        f"azureml:/{WORKSPACE.replace('/providers/Microsoft.MachineLearningServices', '').lower()}/datastores/lake/paths/a/b.csv",
        f"{WORKSPACE}/datastores/lake/paths/a/b.csv",
    ],
)
def test_a_reference_leads_to_a_datastore_and_a_path(text: str) -> None:
    assert DataUri.parse(text, local_workspace()) == DataUri("lake", "a/b.csv")


@pytest.mark.parametrize(
    "text",
    [
        *("", "a/b.csv", "https://lake/a", "azureml://datastores/lake/paths/", "azureml://datastores/lake/paths/../b"),
        f"azureml:/{WORKSPACE.replace('/bridge', '/other')}/datastores/lake/paths/a",
    ],
)
def test_what_leads_elsewhere_is_refused(text: str) -> None:
    with pytest.raises(BadDataUri):
        DataUri.parse(text, local_workspace())


def test_a_command_gets_its_values_as_single_arguments() -> None:
    arguments = command_line(COMMAND, {"summary": "/a b/$(x)", "days": "9"}, {"scores": "/o"}, ["/py"])

    assert arguments == ["/py", "score.py", "--in", "/a b/$(x)", "--out", "/o", "--days", "9"]


def test_an_optional_part_without_its_value_is_left_out() -> None:
    assert command_line(COMMAND, {"summary": "s"}, {"scores": "o"}, ["py"])[-1] == "o"


def node(value: str) -> dict[str, Any]:
    return {"inputs": {"x": {"value": value}}}


def test_nodes_run_after_those_they_take_from() -> None:
    nodes = {"last": node("${{parent.jobs.first.outputs.y}}"), "first": node("${{parent.inputs.z}}")}

    assert in_order(nodes) == ["first", "last"]


@pytest.mark.parametrize(
    "nodes",
    [
        {"a": node("${{parent.jobs.b.outputs.y}}"), "b": node("${{parent.jobs.a.outputs.y}}")},
        {"a": node("${{parent.jobs.none.outputs.y}}")},
    ],
)
def test_nodes_that_cannot_be_ordered_are_refused(nodes: dict[str, Any]) -> None:
    with pytest.raises(BadPipeline):
        in_order(nodes)
