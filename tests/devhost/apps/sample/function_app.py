"""The app that the host's tests run: a function for each thing that a host can get wrong."""

import asyncio
import json
import logging
import sys
import time
from typing import List  # noqa: UP035 - the worker does not take list[str]

import azure.functions as func

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
seen: dict[str, list[object]] = {}


def answer(content: object, status: int = 200) -> func.HttpResponse:
    return func.HttpResponse(json.dumps(content), status_code=status, mimetype="application/json")


@app.route(route="echo/{*rest}")
async def echo(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    return answer(
        {
            "method": req.method,
            "url": req.url,
            "route": dict(req.route_params),
            "query": dict(req.params),
            "headers": dict(req.headers),
            "body": req.get_body().decode("latin-1"),
            "trace": context.trace_context.trace_parent,
            "invocation": context.invocation_id,
        }
    )


@app.route(route="items/{id:int?}", methods=["GET"])
def item(req: func.HttpRequest) -> func.HttpResponse:
    return answer(dict(req.route_params))


@app.route(route="items/{id:int?}", methods=["POST"])
def make_item(req: func.HttpRequest) -> func.HttpResponse:
    return answer({"made": req.get_json()}, 201)


@app.route(route="keyed", auth_level=func.AuthLevel.FUNCTION)
def keyed(req: func.HttpRequest) -> func.HttpResponse:
    return answer("in")


@app.route(route="master", auth_level=func.AuthLevel.ADMIN)
def master(req: func.HttpRequest) -> func.HttpResponse:
    return answer("in")


@app.route(route="disabled")
def disabled(req: func.HttpRequest) -> func.HttpResponse:
    return answer("in")


@app.route(route="cookies")
def cookies(req: func.HttpRequest) -> func.HttpResponse:
    response = func.HttpResponse("ok")
    response.headers.add("Set-Cookie", "a=1; Path=/; Max-Age=60; SameSite=Strict; HttpOnly; Secure")
    response.headers.add("Set-Cookie", 'b="two words"; Domain=example.org; Expires=Wed, 01 Jan 2031 10:00:00 GMT')
    response.headers.add("X-Twice", "1")
    response.headers.add("x-twice", "2")
    return response


@app.route(route="bytes")
def raw_bytes(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse(bytes(range(256)), mimetype="application/octet-stream", status_code=206)


@app.route(route="text")
def text(req: func.HttpRequest) -> str:
    return req.get_body().decode()


@app.route(route="nothing")
def nothing(req: func.HttpRequest):  # type: ignore[no-untyped-def]
    return None


@app.route(route="nocontent")
def nocontent(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse("not to be sent", status_code=204)


@app.route(route="badheader")
def badheader(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse("ok", headers={"X-Name": "\u00e9\u4e2d"})


@app.route(route="fail")
def fail(req: func.HttpRequest) -> func.HttpResponse:
    raise ValueError("on purpose")


@app.route(route="exit")
def exit_sync(req: func.HttpRequest) -> func.HttpResponse:
    sys.exit(3)


@app.route(route="exitasync")
async def exit_async(req: func.HttpRequest) -> func.HttpResponse:
    sys.exit(3)


@app.route(route="exitlater")
async def exit_later(req: func.HttpRequest) -> func.HttpResponse:
    async def leave() -> None:
        sys.exit(4)

    seen["task"] = [asyncio.ensure_future(leave())]
    return answer("soon")


@app.route(route="cancelled")
async def cancelled(req: func.HttpRequest) -> func.HttpResponse:
    raise asyncio.CancelledError


@app.route(route="sleep")
async def sleep(req: func.HttpRequest) -> func.HttpResponse:
    await asyncio.sleep(float(req.params["for"]))
    return answer("awake")


@app.route(route="block")
async def block(req: func.HttpRequest) -> func.HttpResponse:
    time.sleep(float(req.params["for"]))  # noqa: ASYNC251 - what an async function must not do
    return answer("awake")


@app.route(route="blocksync")
def block_sync(req: func.HttpRequest) -> func.HttpResponse:
    time.sleep(float(req.params["for"]))
    return answer("awake")


@app.route(route="log")
async def log(req: func.HttpRequest) -> func.HttpResponse:
    logging.getLogger("my.module").info("a line of the app")
    return answer("logged")


@app.route(route="out", methods=["POST"])
@app.queue_output(arg_name="msg", queue_name="%OUT_QUEUE%", connection="AzureWebJobsStorage")
def out(req: func.HttpRequest, msg: func.Out[str]) -> func.HttpResponse:
    msg.set(req.get_body().decode())
    return answer("queued", 202)


@app.route(route="outlist", methods=["POST"])
@app.queue_output(arg_name="msgs", queue_name="%OUT_QUEUE%", connection="AzureWebJobsStorage")
def outlist(req: func.HttpRequest, msgs: func.Out[List[str]]) -> func.HttpResponse:  # noqa: UP006
    msgs.set(req.get_json())
    return answer("queued", 202)


@app.queue_trigger(arg_name="msg", queue_name="in-q", connection="AzureWebJobsStorage")
@app.queue_output(arg_name="$return", queue_name="forwarded", connection="AzureWebJobsStorage")
def forward(msg: func.QueueMessage) -> str:
    body = msg.get_body().decode()
    record(
        "forward",
        {
            "body": body,
            "id": msg.id,
            "count": msg.dequeue_count,
            "inserted": msg.insertion_time and msg.insertion_time.isoformat(),
        },
    )
    if "fail" in body:
        raise ValueError("on purpose")
    return f"forwarded {body}"


@app.queue_trigger(arg_name="msg", queue_name="forwarded", connection="AzureWebJobsStorage")
async def end(msg: func.QueueMessage) -> None:
    record("end", msg.get_body().decode())


@app.timer_trigger(arg_name="timer", schedule="%TICK%")
def tick(timer: func.TimerRequest) -> None:
    record("tick", facts(timer))
    raise RuntimeError("timers go on")


@app.timer_trigger(arg_name="timer", schedule="0 0 3 * * *", run_on_startup=True)
async def nightly(timer: func.TimerRequest) -> None:
    record("nightly", facts(timer))


@app.route(route="seen/{name}")
def what_was_seen(req: func.HttpRequest) -> func.HttpResponse:
    return answer(seen.get(req.route_params["name"], []))


def facts(timer: func.TimerRequest) -> dict[str, object]:
    # The worker hands in a richer class than the declared one.
    return {"pastDue": timer.past_due, "status": getattr(timer, "schedule_status", None)}


def record(name: str, what: object) -> None:
    seen.setdefault(name, []).append(what)
