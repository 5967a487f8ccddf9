"""The real azure-identity, against the simulator's managed identity and its token endpoint, over https."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from simulator.arm.models import TENANT, TENANT_ABROAD
from simulator.entra import REGISTRATION
from tests.aml.fakes import MANAGEMENT
from tests.simulator.process import ready_url, start_simulator
from tests.support.bridge import ROOT
from tests.support.certificates import make_certificate

_AS_A_FUNCTION_APP = """
import asyncio, json, sys
from shared.aml.auth import EntraCredential, Tokens
from shared.aml.federation import FederatedCredential
from shared.errors import BridgeError

async def main(tenant, client_id, authority, exchange, audience):
    own = EntraCredential("")
    credential = FederatedCredential(
        tenant, client_id, Tokens(lambda: own, lambda: 0.0), authority=authority, exchange=exchange
    )
    try:
        found = [await credential.token(audience, anew=anew) for anew in (False, True)]
        return {"tokens": [token.value for token in found], "expires": found[0].expires_at}
    except BridgeError as error:
        return {"error": type(error).__name__, "message": error.message, "target": error.target}
    finally:
        await own.close()

print(json.dumps(asyncio.run(main(*sys.argv[1:]))))
"""


@dataclass(frozen=True)
class Entra:
    """The simulator over https, and who signed its certificate."""

    address: str
    authority: Path

    def token(
        self, tenant: str = TENANT_ABROAD, client_id: str = REGISTRATION, exchange: str = "api://AzureADTokenExchange"
    ) -> dict[str, Any]:
        return as_a_function_app(self, tenant, client_id, self.address, exchange, MANAGEMENT)


def as_a_function_app(entra: Entra, *arguments: str) -> dict[str, Any]:
    """In a process of its own, for its identity is in its environment."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("AZURE_", "IDENTITY_"))}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", _AS_A_FUNCTION_APP, *arguments],
        env={
            **inherited,
            "IDENTITY_ENDPOINT": f"{entra.address}/identity/token",
            "IDENTITY_HEADER": "local",
            "SSL_CERT_FILE": str(entra.authority),
        },
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.fixture(scope="module")
def entra(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Entra]:
    certificate = make_certificate(tmp_path_factory.mktemp("certificate"))
    secure = ("--certificate", str(certificate.chain), "--key", str(certificate.key))
    with start_simulator("--port", "0", "--scoring-url", "", *secure) as process:
        try:
            yield Entra(ready_url(process), certificate.authority)
        finally:
            process.terminate()


def test_the_managed_identitys_token_is_exchanged_for_one_of_the_registration_in_the_other_tenant(
    entra: Entra,
) -> None:
    found = entra.token()

    assert len(set(found["tokens"])) == 2  # `anew` is not one from a cache
    assert found["expires"] > 1_700_000_000
    calls = httpx.get(f"{entra.address}/calls", verify=_trusting(entra)).json()
    assert calls["/identity/token"]["calls"] == 1
    assert calls[f"/{TENANT_ABROAD}/oauth2/v2.0/token"]["statuses"] == {"200": 2}


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"client_id": "00000000-0000-0000-0000-0000000000dd"}, "AADSTS700016"),
        ({"tenant": "00000000-0000-0000-0000-0000000000dd"}, "AADSTS90002"),
        ({"exchange": "https://another.example"}, "AADSTS700213"),
    ],
)
def test_what_entra_refuses_is_told_with_its_code_and_the_cure(entra: Entra, wrong: dict[str, str], code: str) -> None:
    found = entra.token(**wrong)

    assert (found["error"], found["target"]) == ("WorkspaceForbidden", "tenant")
    asked = {"tenant": TENANT_ABROAD, "client_id": REGISTRATION, **wrong}
    for part in (code, asked["tenant"], f"az ad sp create --id {asked['client_id']}", "federated credential"):
        assert part in found["message"]
    assert "eyJ" not in found["message"]


def test_an_entra_that_cannot_be_reached_may_come_back(entra: Entra) -> None:
    closed = "https://127.0.0.1:9"

    found = as_a_function_app(entra, TENANT, REGISTRATION, closed, "api://AzureADTokenExchange", MANAGEMENT)

    assert found["error"] == "WorkspaceUnavailable"


def _trusting(entra: Entra) -> Any:
    import ssl

    return ssl.create_default_context(cafile=str(entra.authority))
