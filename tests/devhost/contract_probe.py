"""Drives the worker library alone, as `devhost.worker` does, and prints the shapes it got. One app a process."""

import asyncio
import json
import sys
from types import SimpleNamespace as Message
from typing import Any

import azure_functions_runtime as library

from devhost import protos
from devhost.protos import ParameterBinding, RpcHttp, TypedData


async def probe(app: str) -> dict[str, Any]:
    sys.path.insert(0, app)
    library.start_threadpool_executor()
    init = Message(capabilities={}, function_app_directory=app, host_version="4.0")
    started = await library.worker_init_request(
        Message(name="", request=Message(worker_init_request=init), properties={"protos": protos, "host": "127.0.0.1"})
    )
    listed = await library.functions_metadata_request(Message(name="", request=Message(), properties=None))
    found = {each.name: each for each in listed.function_metadata_results}
    load = Message(function_load_request=Message(function_id=found["echo"].function_id))
    loaded = await library.function_load_request(Message(name="", request=load, properties=None))
    shapes = {
        "init": [type(started).__name__, started.result.status, sorted(started.capabilities)],
        "loaded": [type(loaded).__name__, loaded.result.status],
        "bindings": {
            name: [json.loads(raw) for raw in found[name].raw_bindings]
            for name in ("item", "out", "forward", "tick", "nightly")
        },
        "script_file": found["echo"].script_file,
        "retry": found["echo"].retry_options,
        "echo": shape(await invoke(found["echo"].function_id)),
        "cookies": shape(await invoke(found["cookies"].function_id)),
        "text": shape(await invoke(found["text"].function_id)),
        "nothing": shape(await invoke(found["nothing"].function_id)),
        "fail": shape(await invoke(found["fail"].function_id)),
        "out": shape(await invoke(found["out"].function_id)),
        "outlist": shape(await invoke(found["outlist"].function_id)),
        "protobuf imported": "google.protobuf" in sys.modules,
    }
    library.stop_threadpool_executor()
    return shapes


async def invoke(function_id: str) -> Any:
    http = RpcHttp(method="POST", url="http://h/x", body=TypedData(bytes=b'["a", "b"]'))
    request = Message(
        invocation_id="an-id",
        function_id=function_id,
        trigger_metadata={},
        input_data=[ParameterBinding("req", TypedData(http=http))],
        trace_context=Message(trace_parent="", trace_state="", attributes={}),
        retry_context=Message(retry_count=0, max_retry_count=0, exception=protos.RpcException()),
    )
    token = library.invocation_id_cv.set("an-id")
    try:
        return await library.invocation_request(
            Message(name="", request=Message(invocation_request=request), properties=None)
        )
    finally:
        library.invocation_id_cv.reset(token)


def shape(response: Any) -> dict[str, Any]:
    value = response.return_value
    http = value.content if value is not None and value.kind == "http" else None
    return {
        "status": response.result.status,
        "error": response.result.exception and response.result.exception.message.partition(":")[0],
        "returned": value and value.kind,
        "http": http and [http.status_code, sorted(http.headers), http.body.kind],
        "cookies": http and http.cookies and [cookie.name for cookie in http.cookies],
        "outputs": [[each.name, each.data.kind, each.data.content] for each in response.output_data],
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asyncio.run(probe(sys.argv[1]))))
