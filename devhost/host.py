"""The host: builds its parts for one app, starts them, waits for the signal, stops them."""

import asyncio
import logging
import signal
import socket
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from typing import Any

import uvicorn
from azure.storage.blob.aio import ContainerClient

from devhost.admin import Admin
from devhost.calls import Caller
from devhost.connections import connection_string, queue_name
from devhost.errors import StartError
from devhost.functions import Function, HttpTrigger, QueueTrigger, TimerTrigger
from devhost.http import Door
from devhost.keys import Keys
from devhost.logs import Running
from devhost.queues import API_VERSION, QueueOutputs, Wakes, open_queue
from devhost.routes import Route, Router, make_route, refuse_conflicts
from devhost.settings import Settings
from devhost.statuses import CONTAINER, BlobStatuses, FileStatuses, Statuses
from devhost.throttle import Throttle
from devhost.triggers import Triggers, make_triggers
from devhost.worker import Worker

log = logging.getLogger("Host.Startup")

PATIENCE = 5.0  # seconds that calls in flight have when the host stops


class Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.up = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.up.set()

    def capture_signals(self) -> AbstractContextManager[None]:  # type: ignore[override]
        """The host takes the signals itself: it has more to stop than HTTP."""
        return nullcontext()


async def run_host(settings: Settings, running: Running) -> None:
    """Until a signal. Threads of the app may run on: the process is to be ended hard."""
    stop = asyncio.Event()
    for each in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(each, stop.set)
    listening = bind(settings.port)
    worker = Worker(settings.app)
    try:
        functions = await worker.start()
        if not functions:
            raise StartError(f"the app in {settings.app} has no functions")
        address = f"http://127.0.0.1:{listening.getsockname()[1]}"
        if not stop.is_set():
            await serve(settings, worker, functions, running, listening, address, stop)
    finally:
        listening.close()
        await asyncio.to_thread(worker.stop, 1.0)


async def serve(
    settings: Settings,
    worker: Worker,
    functions: Sequence[Function],
    running: Running,
    listening: socket.socket,
    address: str,
    stop: asyncio.Event,
) -> None:
    wakes = Wakes()
    outputs = open_outputs(functions, settings, wakes)
    caller = Caller(worker, outputs, settings.host.function_timeout, running, is_sampled=settings.records_traces)
    routes = make_routes(functions, settings.host.extensions.http.route_prefix)
    async with open_statuses(functions, settings) as statuses:
        triggers = make_triggers(functions, settings, caller, statuses, wakes)
        door = make_door(functions, routes, settings, caller, triggers, address)
        announce(functions, routes, settings, address)
        await run_until(stop, make_server(door), listening, triggers.loops(settings, stop), address)
        await triggers.drain(PATIENCE)
    await outputs.close()


async def run_until(
    stop: asyncio.Event,
    server: Server,
    listening: socket.socket,
    loops: Sequence[Coroutine[Any, Any, None]],
    address: str,
) -> None:
    """Serve and listen until `stop` is set or one of them fails; then calls in flight have their patience."""
    serving = asyncio.create_task(server.serve([listening]))
    await server.up.wait()
    listeners = [asyncio.create_task(loop) for loop in loops]
    stopping = asyncio.create_task(stop.wait())
    print(f"devhost ready {address}", flush=True)
    await asyncio.wait([stopping, serving, *listeners], return_when=asyncio.FIRST_COMPLETED)
    log.info("Stopping")
    stop.set()
    server.should_exit = True
    done, late = await asyncio.wait([serving, stopping, *listeners], timeout=PATIENCE)
    for task in late - {serving}:
        task.cancel()
    await serving
    for task in done:
        task.result()


def bind(port: int) -> socket.socket:
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind(("127.0.0.1", port))
        listening.listen(1024)
    except (OSError, OverflowError) as error:
        listening.close()
        raise StartError(f"port {port} cannot be had ({error}): choose another (--port, BRIDGE_PORT)") from error
    return listening


def make_routes(functions: Sequence[Function], prefix: str) -> list[Route]:
    routes = [
        make_route(function.name, function.route, function.trigger.methods, prefix)
        for function in functions
        if isinstance(function.trigger, HttpTrigger)
    ]
    refuse_conflicts(routes)
    return routes


def make_door(
    functions: Sequence[Function],
    routes: Sequence[Route],
    settings: Settings,
    caller: Caller,
    triggers: Triggers,
    address: str,
) -> Door:
    http = settings.host.extensions.http
    keys = Keys(settings.master_key, {"default": settings.host_key}, settings.function_keys)
    admin = Admin(
        functions,
        routes,
        triggers.run_by_hand,
        address=address,
        host_id=settings.host_id,
        disabled=settings.disabled,
    )
    return Door(
        functions,
        Router(routes),
        caller,
        admin,
        keys=keys if settings.auth else None,
        disabled=settings.disabled,
        throttle=Throttle(http.max_outstanding_requests, http.max_concurrent_requests),
        body_limit=settings.body_limit,
        homepage=settings.homepage,
        access_log=settings.access_log,
    )


def make_server(door: Door) -> Server:
    return Server(
        uvicorn.Config(
            door,
            http="httptools",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=int(PATIENCE),
            # Kestrel's, which Azure's host stands on. A caller that asks each 5 s would meet uvicorn's 5 s.
            timeout_keep_alive=130,
        )
    )


def open_outputs(functions: Sequence[Function], settings: Settings, wakes: Wakes) -> QueueOutputs:
    places = {
        output: (
            connection_string(output.connection, settings.env),
            queue_name(output.queue_name, settings.env),
        )
        for function in functions
        for output in function.outputs
    }
    return QueueOutputs(lambda output: open_queue(*places[output]), settings.host.extensions.queues, wakes)


@asynccontextmanager
async def open_statuses(functions: Sequence[Function], settings: Settings) -> AsyncIterator[Statuses]:
    """In storage if there is any that answers, else in the data folder."""
    files = FileStatuses(settings.data)
    timers = any(isinstance(function.trigger, TimerTrigger) for function in functions)
    if not timers or not settings.env.get("AzureWebJobsStorage"):
        yield files
        return
    container = ContainerClient.from_connection_string(
        connection_string("AzureWebJobsStorage", settings.env),
        CONTAINER,
        api_version=API_VERSION,
        retry_total=0,
        connection_timeout=2,
    )
    async with container:
        blobs = BlobStatuses(container, settings.host_id)
        yield blobs if await blobs.reachable() else files


def announce(functions: Sequence[Function], routes: Sequence[Route], settings: Settings, address: str) -> None:
    if settings.quiet:
        return
    templates = {route.function: route.template for route in routes}
    print("\nFunctions:\n")
    for function in functions:
        note = " (disabled)" if settings.disabled(function.name) else ""
        print(f"        {function.name}: {describe(function, templates, address)}{note}")
    print(flush=True)


def describe(function: Function, templates: dict[str, str], address: str) -> str:
    match function.trigger:
        case HttpTrigger(methods=methods):
            return f"[{','.join(methods) or 'ALL'}] {address}/{templates[function.name]}"
        case TimerTrigger(schedule=schedule):
            return f"timerTrigger {schedule}"
        case QueueTrigger(queue_name=name):
            return f"queueTrigger {name}"
