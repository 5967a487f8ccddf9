"""Azure SDK's own pollers of long-running operations follow a run to its end by what our answers say."""

from collections.abc import Mapping
from typing import Any

import pytest
from azure.core import PipelineClient
from azure.core.exceptions import HttpResponseError
from azure.core.pipeline import PipelineResponse
from azure.core.polling import LROPoller
from azure.core.polling.base_polling import LROBasePolling
from azure.core.rest import HttpRequest

from tests.support.workshop import SCORES, Workshop


def follow(workshop: Workshop, name: str) -> LROPoller[dict[str, Any]]:
    """Asks for a refresh as a generated client does, and polls."""
    client: PipelineClient[Any, Any] = PipelineClient(f"http://127.0.0.1:{workshop.bridge.host.port}")
    request = HttpRequest("POST", client.format_url(f"/api/workflows/{name}/refresh"))
    answer: PipelineResponse[Any, Any] = client._pipeline.run(request)
    return LROPoller(client, answer, lambda final: final.http_response.json(), LROBasePolling(timeout=1))


@pytest.fixture(scope="module")
def polled(workshop: Workshop) -> Mapping[str, LROPoller[dict[str, Any]]]:
    """One that ends well, and one whose job fails, under way at once."""
    workshop.save("followed")
    workshop.save("followed-to-its-end")
    workshop.plan("followed", files={"scores.csv": SCORES})
    workshop.plan("followed-to-its-end", fault="fail", message="The compute is gone.")
    return {name: follow(workshop, name) for name in ("followed", "followed-to-its-end")}


def test_a_poller_ends_with_the_run_as_its_result(
    workshop: Workshop, polled: Mapping[str, LROPoller[dict[str, Any]]]
) -> None:
    poller = polled["followed"]

    run = poller.result(60)

    assert poller.done()
    assert poller.status() == "succeeded"
    assert run == workshop.run(run["id"])
    assert run["import"]["rows"] == 2


def test_a_poller_raises_the_reason_of_a_run_that_failed(polled: Mapping[str, LROPoller[dict[str, Any]]]) -> None:
    poller = polled["followed-to-its-end"]

    with pytest.raises(HttpResponseError) as raised:
        poller.result(60)

    assert poller.status() == "failed"
    assert raised.value.error is not None
    assert "The compute is gone." in str(raised.value.error.message)
