from collections.abc import AsyncIterator

import httpx
import pytest

from shared.aml.http import create_transport


@pytest.fixture
async def transport() -> AsyncIterator[httpx.AsyncBaseTransport]:
    """The real one: connection pool, TLS, sockets."""
    transport = create_transport()
    yield transport
    await transport.aclose()
