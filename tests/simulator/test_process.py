"""Does the process say when it is ready, stay on loopback and end cleanly?"""

import signal
import socket
import threading
from urllib.parse import urlsplit

import httpx
import pytest

from tests.simulator.process import ready_url, start_simulator


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_it_says_ready_when_it_answers_and_exits_with_zero_on_a_signal(stop: signal.Signals) -> None:
    with start_simulator("--port", "0", "--scoring-url", "") as process:
        url = ready_url(process)
        answer = httpx.get(url)
        process.send_signal(stop)
        output, errors = process.communicate(timeout=10)

    assert answer.json() == {"status": "ready"}
    assert process.returncode == 0
    assert (output, errors) == ("", "")


def test_a_call_in_flight_does_not_keep_it_from_ending() -> None:
    with start_simulator("--port", "0", "--scoring-url", "") as process:
        url = ready_url(process)
        caller = threading.Thread(target=call_until_cut_off, args=(f"{url}/score?delay=60",))
        caller.start()
        while httpx.get(f"{url}/calls").json().get("/score", {}).get("inFlight") != 1:
            pass
        process.terminate()
        output, errors = process.communicate(timeout=10)
        caller.join(timeout=5)

    assert process.returncode == 0
    assert (output, errors) == ("", "")
    assert not caller.is_alive()


def call_until_cut_off(url: str) -> None:
    try:
        httpx.post(url, json={}, timeout=60)
    except httpx.TransportError:
        return


def test_it_listens_on_loopback_only(served: str) -> None:
    with socket.socket() as other_address:
        refused = other_address.connect_ex(("127.0.0.2", urlsplit(served).port or 0))

    assert refused != 0


def test_a_port_in_use_is_told_and_fails(served: str) -> None:
    with start_simulator("--port", str(urlsplit(served).port), "--scoring-url", "") as process:
        _, errors = process.communicate(timeout=10)

    assert process.returncode != 0
    assert "address already in use" in errors
