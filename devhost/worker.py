"""The worker: Microsoft's library on an event loop and thread of its own.

A function that blocks its loop stalls other async functions, as it does in Azure, and never the host.
The library keeps its registry in module globals, so a process holds one app.
"""

import asyncio
import logging
import os
import re
import sys
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace as Message
from typing import Any

import azure_functions_runtime as library

from devhost import protos
from devhost.errors import StartError
from devhost.functions import Function, read_functions
from devhost.protos import ParameterBinding, RpcException, RpcFunctionMetadata, StatusResult, TypedData

LIBRARY = "azure-functions-runtime"
SUPPORTED = "1.3."

log = logging.getLogger("Host.Worker")


@dataclass(frozen=True)
class Trace:
    parent: str = ""
    state: str = ""


@dataclass(frozen=True)
class Invocation:
    id: str
    function: Function
    data: TypedData
    metadata: Mapping[str, TypedData] = field(default_factory=dict)
    trace: Trace = Trace()
    retry: int = 0


@dataclass(frozen=True)
class Outcome:
    """What became of a call: `failure` is None if the function returned."""

    returned: TypedData | None = None
    outputs: Mapping[str, TypedData] = field(default_factory=dict)
    failure: RpcException | None = None


class Worker:
    def __init__(self, app: Path) -> None:
        self._app = app
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="worker", daemon=True)
        self._stopping = False

    async def start(self) -> list[Function]:
        """Index the app and tell its functions; StartError says what is wrong with it."""
        check_library(version(LIBRARY))
        self._thread.start()
        return read_functions(await self._on_worker(self._index()))

    async def invoke(self, invocation: Invocation) -> Outcome:
        return await self._on_worker(self._invoke(invocation))

    def stop(self, patience: float) -> None:
        """Async functions are cancelled; a sync one that runs on cannot be stopped, and is left behind."""
        if not self._thread.is_alive():
            return
        self._stopping = True
        asyncio.run_coroutine_threadsafe(self._end(), self._loop)
        self._thread.join(patience)
        ended = threading.Thread(target=library.stop_threadpool_executor, daemon=True)
        ended.start()
        ended.join(patience)

    async def _on_worker[T](self, work: Any) -> T:
        future: Future[T] = asyncio.run_coroutine_threadsafe(work, self._loop)
        return await asyncio.wrap_future(future)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        while not self._stopping:
            try:
                self._loop.run_forever()
            except (SystemExit, KeyboardInterrupt):
                log.error("A background task of the app called exit. In Azure the worker process would have died.")
        self._loop.close()

    async def _end(self) -> None:
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        for task in rest:
            task.cancel()
        await asyncio.wait(rest, timeout=1) if rest else None
        await self._loop.shutdown_asyncgens()
        self._loop.stop()

    async def _index(self) -> list[RpcFunctionMetadata]:
        if not (self._app / os.environ.get("PYTHON_SCRIPT_FILE_NAME", "function_app.py")).is_file():
            raise StartError(f"no function_app.py in {self._app}")
        sys.path.insert(0, str(self._app))
        library.start_threadpool_executor()
        with hushed("azure.functions"):
            await self._load()
        listed = await library.functions_metadata_request(envelope())
        found: list[RpcFunctionMetadata] = listed.function_metadata_results or []
        for metadata in found:
            load = Message(function_id=metadata.function_id)
            loaded = await library.function_load_request(envelope(function_load_request=load))
            require_success(loaded.result, self._app)
        return found

    async def _load(self) -> None:
        request = envelope(
            worker_init_request=Message(capabilities={}, function_app_directory=str(self._app), host_version="4.0")
        )
        request.properties = {"protos": protos, "host": "127.0.0.1"}
        try:
            started = await library.worker_init_request(request)
        except SystemExit as error:
            raise StartError(f"the app called exit({error.code}) while it was loaded") from error
        require_success(started.result, self._app)
        if "HttpUri" in started.capabilities:
            raise StartError("the app streams HTTP (azurefunctions-extensions-http-fastapi); devhost does not")

    async def _invoke(self, invocation: Invocation) -> Outcome:
        # The library sets this in the threads of sync functions only. The task's context ends with the call.
        library.invocation_id_cv.set(invocation.id)
        try:
            answer = await library.invocation_request(request_for(invocation))
        except SystemExit as error:
            log.error("Function '%s' called exit. In Azure the worker process dies.", invocation.function.name)
            return Outcome(failure=RpcException(message=f"SystemExit: {error}"))
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            return Outcome(failure=RpcException(message="CancelledError: raised by the function"))
        if answer.result.status != StatusResult.Success:
            return Outcome(failure=answer.result.exception or RpcException(message="Failure"))
        outputs: list[ParameterBinding] = answer.output_data
        return Outcome(answer.return_value, {out.name: out.data for out in outputs if out.data is not None})


def request_for(invocation: Invocation) -> Message:
    function, trace = invocation.function, invocation.trace
    return envelope(
        invocation_request=Message(
            invocation_id=invocation.id,
            function_id=function.id,
            trigger_metadata=invocation.metadata,
            input_data=[ParameterBinding(name=function.trigger.name, data=invocation.data)],
            trace_context=Message(trace_parent=trace.parent, trace_state=trace.state, attributes={}),
            retry_context=Message(
                retry_count=invocation.retry,
                max_retry_count=function.retry.max_retry_count if function.retry else 0,
                exception=RpcException(),
            ),
        )
    )


def envelope(**request: Message) -> Message:
    return Message(name="", request=Message(**request), properties=None)


@contextmanager
def hushed(name: str) -> Iterator[None]:
    """While it loads an app, the library logs a failure, with all of sys.path, before it answers it."""
    logger = logging.getLogger(name)
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)


def check_library(found: str) -> None:
    if not found.startswith(SUPPORTED):
        raise StartError(f"devhost is made for {LIBRARY} {SUPPORTED}*, found {found}: run its contract test first")


def require_success(result: StatusResult, app: Path) -> None:
    if result.status == StatusResult.Success:
        return
    reason = result.exception or RpcException(message="no reason given")
    message = reason.message.partition(" Current sys.path:")[0]
    raise StartError(f"the app cannot be loaded: {message}{place_in(app, reason.stack_trace)}")


def place_in(app: Path, stack_trace: str) -> str:
    """The last line of the app's own code in the trace, if any: where to look."""
    lines = re.findall(r'File "([^"]+)", line (\d+)', stack_trace)
    own = [(file, line) for file, line in lines if Path(file).is_relative_to(app) and "site-packages" not in file]
    return f" ({Path(own[-1][0]).relative_to(app)}:{own[-1][1]})" if own else ""
