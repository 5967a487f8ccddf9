"""What the checks run against: a subscription and a workspace, an app, storage, a search service."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
from azure.data.tables import TableServiceClient
from azure.storage.queue import QueueServiceClient

from infra.verify.checks import CheckFailed
from shared.settings import CLOUDS
from shared.skills.addresses import is_host_under

CLOUD = CLOUDS["AzureCloud"]
AML_API_VERSION = "2025-12-01"
_PAGES = 20

type Token = Callable[[str], str]
"""A bearer token for an audience."""


@dataclass(frozen=True)
class Options:
    """As given on the command line; empty where not."""

    subscription: str = ""
    location: str = ""
    workspace: str = ""
    """Resource id."""
    component: str = ""
    """`name:version` of a registered pipeline."""
    inputs: str = ""
    """Its inputs, as JSON: texts that start with azureml: are folders, all others literals."""
    batch_job: str = ""
    """`endpoint/job`."""
    endpoint: str = ""
    """Resource id of an online endpoint with key authentication."""
    app: str = ""
    """https address."""
    host_storage: str = ""
    """Account name."""
    data_storage: str = ""
    search: str = ""
    """Name of a search service."""

    def given(self) -> set[str]:
        return {name for name, value in vars(self).items() if value}


@dataclass
class Target:
    options: Options
    token: Token
    tables: Callable[[], TableServiceClient]
    """Of the data account."""
    queues: Callable[[], QueueServiceClient]
    """Of the host account."""
    management: str = CLOUD.management
    http: httpx.Client = field(default_factory=lambda: httpx.Client(timeout=60))

    def arm(
        self, method: str, path: str, version: str = AML_API_VERSION, *, body: object = None, **headers: str
    ) -> httpx.Response:
        """A call to Azure Resource Manager. `path` may hold a query."""
        sent = {"Authorization": f"Bearer {self.token(CLOUD.management)}", **headers}
        url = f"{self.management}{path}{'&' if '?' in path else '?'}api-version={version}"
        return self.http.request(method, url, headers=sent, json=body)

    def read(self, path: str, version: str = AML_API_VERSION) -> dict[str, Any]:
        """The answer to a GET. Raises CheckFailed."""
        return document(self.arm("GET", path, version))

    def items(self, path: str, version: str = AML_API_VERSION) -> Iterator[dict[str, Any]]:
        """Of a list, over its pages."""
        page = self.read(path, version)
        for _ in range(_PAGES):
            yield from page.get("value", [])
            link = page.get("nextLink") or ""
            if not link.startswith(self.management):
                return
            page = document(self.http.get(link, headers={"Authorization": f"Bearer {self.token(CLOUD.management)}"}))

    def scoring_uri(self, resource: str) -> str:
        """Where the endpoint takes calls. Keys and tokens go to Azure Machine Learning's hosts alone: else CheckFailed."""
        uri = str(self.read(resource)["properties"]["scoringUri"])
        host = httpx.URL(uri).host
        if not is_host_under(uri, CLOUD.inference_domain) and host != httpx.URL(self.management).host:
            raise CheckFailed(f"the endpoint is at {host}, which gets no key")
        return uri

    @property
    def inputs(self) -> dict[str, Any]:
        return {name: job_input(value) for name, value in json.loads(self.options.inputs or "{}").items()}


def document(answer: httpx.Response) -> dict[str, Any]:
    """Raises CheckFailed with the status and the error's code, never its text: that may hold names of others."""
    if not answer.is_success:
        raise CheckFailed(f"{answer.request.method} {_place(answer.request.url)} answered {told(answer)}")
    found: dict[str, Any] = answer.json()
    return found


def told(answer: httpx.Response) -> str:
    """Status, and the code of the error if it has one."""
    try:
        error = answer.json().get("error")
    except (ValueError, AttributeError):
        error = None
    code = error.get("code") if isinstance(error, Mapping) else None
    return f"{answer.status_code} {code}" if code else str(answer.status_code)


def job_input(value: object) -> dict[str, str]:
    if isinstance(value, str) and re.match(r"azureml:|https:", value):
        kind = "uri_file" if re.search(r"\.\w+$", value) else "uri_folder"
        return {"jobInputType": kind, "uri": value}
    return {"jobInputType": "literal", "value": str(value)}


def _place(url: httpx.URL) -> str:
    return url.path[-80:]
