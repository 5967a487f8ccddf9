"""What comes of a call about a workspace: its answer, or a BridgeError that says what was asked, why not, and the cure."""

import re
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from dataclasses import dataclass

import httpx
from pydantic import BaseModel

from shared.aml.exchange import Answer, Exchange, ExchangeFailed, Page, read_as
from shared.aml.http import HttpAnswer, retry_after
from shared.errors import BridgeError, NotFound, WorkspaceForbidden, WorkspaceRefused, WorkspaceUnavailable
from shared.skills.failures import sentence
from shared.skills.gateway import AttemptFailed
from shared.wire import json_bytes
from shared.workflows.permissions import cure
from shared.workflows.workspaces import WorkspaceId

_ACTIONS = "Microsoft.MachineLearningServices/workspaces"
_MOST_PAGES = 200
_LONGEST_REASON = 300
_NO_TEXT = re.compile(r"[\x00-\x1f\x7f]+")
_SECRET = re.compile(r"[\w.~+=-]{60,}")
"""Longer than any name: a token or a signature, of which a message repeats nothing."""
RESOURCE_MANAGER = "Azure Resource Manager"
type Expected = Collection[int]


@dataclass(frozen=True, slots=True)
class Asked:
    """What a call is for, as its error tells it."""

    workspace: WorkspaceId
    what: str
    """`the job brg-1`; in an error `of the workspace …` follows."""
    right: str
    """The action it takes, below the provider's `workspaces/`: `jobs/write`."""
    service: str = RESOURCE_MANAGER

    @property
    def place(self) -> str:
        return f"{self.what} of the workspace {self.workspace.name}"


class _Error(Answer):
    code: str | None = None
    message: str | None = None


class _Refusal(Answer):
    error: _Error | None = None


class WorkspaceCalls:
    """Calls to Azure Resource Manager about workspaces. Each raises a BridgeError."""

    def __init__(self, arm: Exchange, *, api_version: str, identity: Callable[[], str] = lambda: "<identity>") -> None:
        self._arm = arm
        self._api_version = api_version
        self._identity = identity
        """As the command that grants a right names this app's identity."""

    async def read[T: BaseModel](
        self, asked: Asked, path: str, shape: type[T], query: Mapping[str, str] | None = None
    ) -> T:
        """GET of what lies at `path` below the workspace."""
        return self.parse(asked, await self.call(asked, "GET", path, query=query), shape)

    async def items[T](
        self,
        asked: Asked,
        path: str,
        shape: type[Page[T]],
        query: Mapping[str, str] | None = None,
        *,
        most_pages: int = _MOST_PAGES,
    ) -> AsyncIterator[T]:
        """What the list at `path` holds, over its pages."""

        async def ask(url: httpx.URL) -> Page[T]:
            return self.parse(asked, await self.exchange(asked, self._arm, "GET", url), shape)

        try:
            async for item in self._arm.items(self._url(asked, path, query), ask, most_pages=most_pages):
                yield item
        except ExchangeFailed as failed:
            raise unusable(asked, failed) from failed.__cause__

    async def call(
        self,
        asked: Asked,
        method: str,
        path: str,
        *,
        body: object = None,
        query: Mapping[str, str] | None = None,
        other_tokens: Mapping[str, str] | None = None,
        expected: Expected = (200,),
    ) -> HttpAnswer:
        url = self._url(asked, path, query)
        return await self.exchange(
            asked, self._arm, method, url, body=body, other_tokens=other_tokens, expected=expected
        )

    async def exchange(
        self,
        asked: Asked,
        exchange: Exchange,
        method: str,
        url: httpx.URL,
        *,
        body: object = None,
        headers: Mapping[str, str] | None = None,
        other_tokens: Mapping[str, str] | None = None,
        expected: Expected = (200,),
    ) -> HttpAnswer:
        """Also of a data plane."""
        content = None if body is None else json_bytes(body)
        sent = {**(headers or {}), **({} if body is None else {"Content-Type": "application/json"})}
        try:
            answer = await exchange.send(method, url, content=content, headers=sent, other_tokens=other_tokens)
        except ExchangeFailed as failed:
            raise unusable(asked, failed) from failed.__cause__
        except AttemptFailed as failed:
            raise WorkspaceUnavailable(sentence(failed.failure, asked.workspace.name)) from failed
        if answer.status not in expected:
            raise self._refusal(asked, answer)
        return answer

    def parse[T: BaseModel](self, asked: Asked, answer: HttpAnswer, shape: type[T]) -> T:
        try:
            return read_as(shape, answer)
        except ExchangeFailed as failed:
            raise unusable(asked, failed) from failed.__cause__

    def _url(self, asked: Asked, path: str, query: Mapping[str, str] | None) -> httpx.URL:
        params = {"api-version": self._api_version, **(query or {})}
        return self._arm.url(f"{asked.workspace.path}{path}", params)

    def _refusal(self, asked: Asked, answer: HttpAnswer) -> BridgeError:
        wait = retry_after(answer.headers)
        match answer.status:
            case 401:
                return WorkspaceForbidden(
                    f"{asked.service} does not take this app's token for {asked.place}: the identity must be of the "
                    "workspace's tenant, so check the connection's tenant and AZURE_CLIENT_ID (CONNECTION_CLIENT_ID "
                    "where that tenant is not this app's own)"
                )
            case 403:
                return WorkspaceForbidden(
                    f"this app's identity lacks the right {_ACTIONS}/{asked.right}, which {asked.place} takes: "
                    f"{cure(asked.workspace, self._identity())}"
                )
            case 404:
                return NotFound(f"{asked.service} does not know {asked.place}: check the names, {asked.workspace.path}")
            case 429:
                return WorkspaceUnavailable(
                    f"{asked.service} throttles calls about {asked.place}: it is tried again later", retry_after=wait
                )
            case status if status >= 500 or status == 408:
                return WorkspaceUnavailable(
                    f"{asked.service} answered {status} for {asked.place}: try again, and see Azure's status if it stays",
                    retry_after=wait,
                )
            case status:
                return WorkspaceRefused(
                    f"{asked.service} answered {status} for {asked.place}{_reason(answer)}: mend what it names, "
                    "or the app setting AML_API_VERSION if it names that"
                )


def unusable(asked: Asked, failed: ExchangeFailed) -> WorkspaceUnavailable:
    return WorkspaceUnavailable(
        f"{asked.service} answered {failed.cause} for {asked.place}: "
        "try again, and check the network between this app and it if it stays"
    )


def _reason(answer: HttpAnswer) -> str:
    """What Azure says is wrong with the request, as ` (UserError: …)`."""
    try:
        error = read_as(_Refusal, answer).error
    except ExchangeFailed:
        return ""
    parts = [clean(part, _LONGEST_REASON) for part in (error and error.code, error and error.message) if part]
    return f" ({': '.join(parts).rstrip('.')})" if parts else ""


def clean(text: str, longest: int) -> str:
    """On one line, short, and without anything that could be a token."""
    plain = _SECRET.sub("…", _NO_TEXT.sub(" ", text)).strip()
    return plain if len(plain) <= longest else f"{plain[: longest - 1]}…"
