"""How is the simulator served? By uvicorn, with a way to hang up under a call, and a clean end."""

import logging
import signal
from collections.abc import Callable
from socket import socket
from types import FrameType

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from simulator.scoring.wire import HANG_UP


class HangUpProtocol(HttpToolsProtocol):
    """Offers the app what ASGI has no word for: closing the connection without an answer."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        close: Callable[[], None] = self.transport.close
        self.scope["extensions"] = {HANG_UP: {"close": close}}


class SimulatorServer(uvicorn.Server):
    async def startup(self, sockets: list[socket] | None = None) -> None:
        await super().startup(sockets)
        port = self.servers[0].sockets[0].getsockname()[1]
        scheme = "https" if self.config.is_ssl else "http"
        print(f"simulator ready {scheme}://127.0.0.1:{port}", flush=True)

    async def shutdown(self, sockets: list[socket] | None = None) -> None:
        # Delayed and endless answers are cut off after the grace time, which is no error to report.
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
        await super().shutdown(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """uvicorn's own would raise the signal once more in the end, so that the process died by it."""
        self.force_exit = self.should_exit and sig == signal.SIGINT
        self.should_exit = True


def serve(app: ASGIApp, port: int, certificate: str | None = None, key: str | None = None) -> None:
    """With a certificate and its key (PEM files) over https."""
    config = uvicorn.Config(
        app,
        host="127.0.0.1",
        port=port,
        loop="uvloop",
        http=HangUpProtocol,
        ws="none",
        lifespan="on",
        log_level="error",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        # Above a client's own keep-alive, so that it is not the server that closes an idle connection.
        timeout_keep_alive=120,
        timeout_graceful_shutdown=1,
        ssl_certfile=certificate,
        ssl_keyfile=key,
    )
    SimulatorServer(config).run()
