"""Rebuilds an empty account: the configuration from its export, through the app; the entities from their Parquet.

    python -m infra.restore --from SOURCE [--app ADDRESS] [--document FILE] [--variables FILE] [--entity NAME …]

SOURCE is a storage account's name, its connection string (better in RESTORE_FROM than in an argument), or a folder with copies
of its containers `bridge` and `bridge-config`. The target account is the one that the app settings in the environment name
(BRIDGE_STORAGE, BRIDGE_STORAGE__accountName, else AzureWebJobsStorage). May be repeated: what is there already stays as it is.
"""

import argparse
import asyncio
import json
import logging
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx

from shared.entities.manifests import Current
from shared.errors import BridgeError
from shared.operations.nightly import LATEST
from shared.operations.restoring import (
    Restored,
    Source,
    State,
    manifests_of,
    read_current,
    restore_entity,
    restore_reader_keys,
    restore_tombstones,
)
from shared.services.restoring import RestoreServices

_IMPORT_SECONDS = 230.0


class RestoreFailed(Exception):
    """The message says what to do."""


def main() -> int:
    options = _options()
    logging.getLogger("azure").setLevel(logging.WARNING)
    try:
        return asyncio.run(_restore(options, os.environ))
    except (BridgeError, RestoreFailed) as error:
        print(f"restore: {error}", file=sys.stderr, flush=True)
        return 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="infra.restore", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--from", dest="source", default=os.environ.get("RESTORE_FROM", ""), help="default: RESTORE_FROM"
    )
    parser.add_argument(
        "--app",
        default=os.environ.get("RESTORE_APP", ""),
        help="address of the app that runs on the target account and imports the configuration, with the key in "
        "RESTORE_APP_KEY; without it only entities are restored (default: RESTORE_APP)",
    )
    parser.add_argument("--document", type=Path, help=f"the export; without it {LATEST} of the source")
    parser.add_argument("--variables", type=Path, help="a JSON file with values for its ${…}")
    parser.add_argument("--entity", action="append", default=[], help="only this one; may be given several times")
    return parser.parse_args()


async def _restore(options: argparse.Namespace, environment: Mapping[str, str]) -> int:
    if not options.source:
        raise RestoreFailed("say from where: --from with an account's name or a folder, or RESTORE_FROM")
    services = RestoreServices(environment)
    try:
        async with services.source(options.source) as source:
            # Before anything that could bring back rows of theirs.
            marks = await restore_tombstones(source, services.tombstone_store)
            keys = await restore_reader_keys(source, services.reader_key_store)
            _say(f"erased customers: {marks} marks; reader keys: {keys} new")
            failed = await _configuration(options, source, environment.get("RESTORE_APP_KEY", ""))
            return await _entities(services, source, options.entity) or failed
    finally:
        await services.close()


async def _configuration(options: argparse.Namespace, source: Source, key: str) -> int:
    """0 unless it was refused; that is told, and the entities come all the same."""
    if not options.app:
        _say("configuration: not imported, for no --app is given")
        return 0
    try:
        await _import(options, source, key)
    except RestoreFailed as failed:
        _say(f"configuration: FAILED: {failed}")
        _say("mend what is told (--document FILE brings another one), and run the same again")
        return 1
    return 0


async def _import(options: argparse.Namespace, source: Source, key: str) -> None:
    document = _read_file(options.document) if options.document else await _latest(source)
    if document is None:
        _say(f"configuration: not imported, for the source has no {LATEST}")
        return
    if "document" not in document:
        document = {"document": document}
    if options.variables:
        document["variables"] = {**document.get("variables", {}), **_read_file(options.variables)}
    answer = await _post(f"{options.app.rstrip('/')}/api/import", document, key)
    counts = ", ".join(f"{count} {action}" for action, count in answer["counts"].items())
    _say(f"configuration: {counts}")


async def _latest(source: Source) -> dict[str, Any] | None:
    data = await source.exports.get(LATEST)
    return None if data is None else _parsed(data, LATEST)


def _read_file(path: Path) -> dict[str, Any]:
    try:
        return _parsed(path.read_bytes(), str(path))
    except OSError as error:
        raise RestoreFailed(f"{path} cannot be read: {error.strerror}") from None


def _parsed(data: bytes, name: str) -> dict[str, Any]:
    try:
        found = json.loads(data)
    except ValueError as error:
        raise RestoreFailed(f"{name} is not JSON: {error}") from None
    if not isinstance(found, dict):
        raise RestoreFailed(f"{name} is no JSON object")
    return found


async def _post(address: str, body: object, key: str) -> dict[str, Any]:
    headers = {"x-functions-key": key} if key else {}
    try:
        async with httpx.AsyncClient(timeout=_IMPORT_SECONDS) as client:
            answer = await client.post(address, json=body, headers=headers)
    except httpx.HTTPError as error:
        raise RestoreFailed(f"the app at {address} did not answer ({type(error).__name__})") from None
    if not answer.is_success:
        raise RestoreFailed(f"the app refused the configuration ({answer.status_code}):\n{_told(answer)}")
    found: dict[str, Any] = answer.json()
    return found


def _told(answer: httpx.Response) -> str:
    """Each fault with its place."""
    try:
        error = answer.json()["error"]
    except (ValueError, KeyError, TypeError):
        return "without a word; is the key in RESTORE_APP_KEY one of the app's?"
    lines = [f"  {detail.get('target', '')}: {detail['message']}" for detail in error.get("details", [])]
    return "\n".join([str(error["message"]), *lines])


async def _entities(services: RestoreServices, source: Source, names: list[str]) -> int:
    """0 if all were restored; each that fails is told, and the others go on."""
    failed = 0
    for path in await manifests_of(source.rows, names):
        began = time.monotonic()
        try:
            current = await read_current(path, source.rows)
            done = await restore_entity(current, source.rows, services.snapshots, services.erased, services.now())
        except BridgeError as error:
            failed += 1
            _say(f"{path.split('/')[1]}: FAILED: {error.message}")
            continue
        _say(f"{done.entity}: {done.state}: {done.rows:,} rows of {done.snapshot}")
        if done.state is State.RESTORED:
            _say(f"  in {time.monotonic() - began:.1f} s{_fewer(done, current)}")
    if failed:
        _say(f"{failed} entities were not restored; mend what is told, and run the same again")
    return 1 if failed else 0


def _fewer(done: Restored, current: Current) -> str:
    told = current.snapshot.rows
    if done.rows == told:
        return ""
    return f"; its manifest told {told:,} rows: the others are erased customers', or the copy is of two times"


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
