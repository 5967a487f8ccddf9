"""Tokens: where they come from, how long they are kept, and who is not disturbed when one is renewed."""

import asyncio
import json
import os
import subprocess
import sys

import httpx
import pytest

from shared.aml.auth import Tokens
from shared.skills.failures import Kind
from shared.skills.gateway import AttemptFailed
from tests.aml.fakes import MACHINE_LEARNING, MANAGEMENT, FakeIdentity
from tests.support.bridge import ROOT


async def test_one_fetch_serves_a_thousand_waiting_calls() -> None:
    identity = FakeIdentity()
    tokens = identity.tokens()

    found = await asyncio.gather(*(tokens.get(MANAGEMENT) for _ in range(1000)))

    assert set(found) == {f"{MANAGEMENT}#1"}
    assert identity.fetched == [MANAGEMENT]


async def test_one_failure_tells_a_thousand_waiting_calls() -> None:
    identity = FakeIdentity(down=True)
    tokens = identity.tokens()

    failures = await asyncio.gather(*(tokens.get(MANAGEMENT) for _ in range(1000)), return_exceptions=True)

    assert all(isinstance(failure, AttemptFailed) for failure in failures)
    assert identity.fetched == [MANAGEMENT]


async def test_a_failure_is_not_kept() -> None:
    identity = FakeIdentity(down=True)
    tokens = identity.tokens()
    with pytest.raises(AttemptFailed):
        await tokens.get(MANAGEMENT)

    identity.down = False

    assert await tokens.get(MANAGEMENT)


@pytest.mark.parametrize(("later", "renewed"), [(0, False), (3500, False), (3541, True), (10_000, True)])
async def test_a_token_is_renewed_before_it_expires(later: float, renewed: bool) -> None:
    identity = FakeIdentity(lifetime=3600)
    tokens = identity.tokens()
    first = await tokens.get(MANAGEMENT)

    identity.clock.now += later

    assert (await tokens.get(MANAGEMENT) != first) is renewed


async def test_a_refused_token_is_fetched_anew_once() -> None:
    identity = FakeIdentity()
    tokens = identity.tokens()
    refused = await tokens.get(MANAGEMENT)

    for _ in range(50):  # fifty calls were refused at once
        tokens.forget(MANAGEMENT, refused)
    found = await asyncio.gather(*(tokens.get(MANAGEMENT) for _ in range(50)))

    assert set(found) == {f"{MANAGEMENT}#2"}
    assert identity.fetched == [MANAGEMENT] * 2


async def test_a_newer_token_is_not_forgotten_for_an_older_ones_refusal() -> None:
    identity = FakeIdentity()
    tokens = identity.tokens()
    refused = await tokens.get(MANAGEMENT)
    tokens.forget(MANAGEMENT, refused)
    newer = await tokens.get(MANAGEMENT)

    tokens.forget(MANAGEMENT, refused)

    assert await tokens.get(MANAGEMENT) == newer


async def test_other_audiences_are_left_alone() -> None:
    identity = FakeIdentity()
    tokens = identity.tokens()
    other = await tokens.get(MACHINE_LEARNING)
    tokens.forget(MANAGEMENT, await tokens.get(MANAGEMENT))

    await tokens.get(MANAGEMENT)

    assert await tokens.get(MACHINE_LEARNING) == other
    assert identity.fetched.count(MACHINE_LEARNING) == 1


async def test_no_identity_is_made_before_one_is_needed() -> None:
    made: list[FakeIdentity] = []

    def make() -> FakeIdentity:
        made.append(FakeIdentity())
        return made[-1]

    tokens = Tokens(make, lambda: 0.0)
    assert made == []
    await tokens.get(MANAGEMENT)
    await tokens.get(MACHINE_LEARNING)

    assert len(made) == 1


_AS_A_FUNCTION_APP = """
import asyncio, json, sys
from shared.aml.auth import EntraCredential
from shared.skills.gateway import AttemptFailed

async def main():
    credential, (management, learning) = EntraCredential(""), sys.argv[1:]
    try:
        first = await credential.token(management, anew=False)
        again = await credential.token(management, anew=False)
        # Renewing one while the other is being fetched.
        anew, other = await asyncio.gather(
            credential.token(management, anew=True), credential.token(learning, anew=False)
        )
        kept = await credential.token(learning, anew=False)
        return [token.value for token in (first, again, anew, other, kept)] + [first.expires_at]
    except AttemptFailed as failed:
        return [failed.failure.kind.code]
    finally:
        await credential.close()

print(json.dumps(asyncio.run(main())))
"""


def as_a_function_app(**environment: str) -> list[str]:
    """The real azure-identity, in a process with the environment of a function app."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("AZURE_", "IDENTITY_"))}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", _AS_A_FUNCTION_APP, MANAGEMENT, MACHINE_LEARNING],
        env={**inherited, **environment},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: list[str] = json.loads(done.stdout)
    return found


def test_the_managed_identity_of_a_function_app(simulated: str) -> None:
    first, again, anew, other, kept, expires_at = as_a_function_app(
        IDENTITY_ENDPOINT=f"{simulated}/identity/token", IDENTITY_HEADER="local"
    )

    assert first == again != anew
    assert other == kept
    assert float(expires_at) > 1_700_000_000
    calls = httpx.get(f"{simulated}/calls").json()
    assert calls["/identity/token"]["statuses"] == {"200": calls["/identity/token"]["calls"]}


def test_an_identity_that_is_refused_is_a_failure_with_a_cure(simulated: str) -> None:
    found = as_a_function_app(
        IDENTITY_ENDPOINT=f"{simulated}/identity/token", IDENTITY_HEADER="wrong", AZURE_TOKEN_CREDENTIALS="prod"
    )

    assert found == [Kind.TOKEN_FAILED.code]
