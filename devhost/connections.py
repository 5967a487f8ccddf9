"""A queue binding's `connection` and `queueName`: from what is declared to what is meant."""

import re
from collections.abc import Mapping

from devhost.errors import StartError
from devhost.settings import first, resolve

AZURITE_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
AZURITE = (
    f"DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;AccountKey={AZURITE_KEY};"
    "BlobEndpoint=http://127.0.0.1:10000/devstoreaccount1;"
    "QueueEndpoint=http://127.0.0.1:10001/devstoreaccount1;"
    "TableEndpoint=http://127.0.0.1:10002/devstoreaccount1;"
)


def connection_string(name: str, env: Mapping[str, str]) -> str:
    """StartError if `name` has none: devhost does not sign in to storage with an identity."""
    prefixed = f"AzureWebJobs{name}"
    value = first(env, prefixed, name)
    if value:
        return AZURITE if value.strip().rstrip(";").lower() == "usedevelopmentstorage=true" else value
    prefixes = (f"{name}__".lower(), f"{prefixed}__".lower())
    by_identity = next((key for key in env if key.lower().startswith(prefixes)), None)
    if by_identity:
        raise StartError(
            f"connection '{name}' is by identity ({by_identity}), which devhost does not do: "
            f"set {name} to a connection string"
        )
    raise StartError(f"connection '{name}' has no value: set {name} to a connection string")


def queue_name(template: str, env: Mapping[str, str]) -> str:
    name = resolve(template, env).lower()
    if "{" in name:
        raise StartError(f"queue '{template}': devhost does not do binding expressions in queue names")
    if not re.fullmatch(r"(?=.{3,63}$)[a-z0-9]+(-[a-z0-9]+)*", name):
        raise StartError(f"'{name}' cannot name a queue: 3 to 63 letters, digits and single hyphens")
    return name
