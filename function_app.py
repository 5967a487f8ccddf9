"""The table of contents: every function of the app, by the blueprint that holds it."""

import json
import logging
import traceback
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import azure.functions as func


def create_app() -> func.FunctionApp:
    """All functions. Raises what an import raises."""
    from shared.triggers import (
        configuration_http,
        configuration_timers,
        connections_http,
        customers_http,
        data_http,
        doctor_http,
        entities_http,
        health_http,
        openapi_http,
        poison_http,
        poison_queues,
        reader_keys_http,
        runs_http,
        skills_http,
        workflow_queues,
        workflow_timers,
        workflows_http,
    )

    app = func.FunctionApp(http_auth_level=func.AuthLevel.FUNCTION)
    blueprints = (
        doctor_http.blueprint,
        openapi_http.blueprint,
        health_http.health_blueprint(function_names, what_does_not_load),
        skills_http.blueprint,
        connections_http.blueprint,
        workflows_http.blueprint,
        runs_http.blueprint,
        workflow_queues.blueprint,
        workflow_timers.blueprint,
        entities_http.blueprint,
        data_http.blueprint,
        customers_http.blueprint,
        reader_keys_http.blueprint,
        configuration_http.blueprint,
        configuration_timers.blueprint,
        poison_http.blueprint,
        poison_queues.blueprint,
    )
    for blueprint in blueprints:
        app.register_functions(blueprint)
    return app


@cache
def function_names() -> Sequence[str]:
    """Of an app of our own, for the one that the host holds may be indexed only once."""
    return sorted(str(function.get_function_name()) for function in create_app().get_functions())


def what_does_not_load() -> Mapping[str, str] | None:
    """Loads what is loaded at first use, so that what cannot be is told before somebody needs it."""
    from shared.loading import load_all

    try:
        load_all()
    except Exception as error:  # noqa: BLE001  # whatever it is, health has to say so
        _log_not_loaded(error)
        return _told(error)
    return None


def create_app_or_health() -> func.FunctionApp:
    """If a module fails to import, an app that says so is better than a host that has none."""
    try:
        return create_app()
    except Exception as error:  # noqa: BLE001  # whatever it is, health has to say so
        _log_not_loaded(error)
        return _health_alone(error)


def _health_alone(error: Exception) -> func.FunctionApp:
    """Depends on nothing of ours, for that may be what failed."""
    app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
    body = json.dumps(_told(error))

    @app.route(route="api/health", methods=["GET"])
    def health(req: func.HttpRequest) -> func.HttpResponse:
        return func.HttpResponse(body, status_code=503, mimetype="application/json")

    # Azure drops what is logged outside a call, so at loading (azure-functions-host#4003): it is said again in one.
    @app.timer_trigger(arg_name="timer", schedule="0 * * * * *")
    def schedule_tick(timer: func.TimerRequest) -> None:
        _log_not_loaded(error)

    return app


def _log_not_loaded(error: Exception) -> None:
    """An alert waits for it."""
    logging.getLogger("bridge").critical("app_not_loaded error=%s", type(error).__name__)


def _told(error: Exception) -> Mapping[str, str]:
    return {"status": "unhealthy", "error": type(error).__name__, "module": _failed_module(error)}


def _failed_module(error: Exception) -> str:
    """The one that is missing or cannot be read, else the one whose code raised; no path, no text of the error."""
    if isinstance(error, ImportError) and error.name:
        return error.name
    if isinstance(error, SyntaxError) and error.filename:
        return Path(error.filename).name
    frames = [frame.f_globals.get("__name__", "") for frame, _ in traceback.walk_tb(error.__traceback__)]
    return str(frames[-1]) if frames else "function_app"


app = create_app_or_health()
