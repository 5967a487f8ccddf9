"""A storage account as files: all rows, waiting messages and blobs that are the app's, written down and put back.

account.json   the app's version, when it was recorded, tables, queues
blobs/         container/path
answers.json   what the API said of it, by path
"""

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from azure.core.exceptions import ResourceExistsError
from azure.data.tables import EntityProperty, TableServiceClient
from azure.storage.blob import BlobServiceClient
from azure.storage.queue import QueueServiceClient

FIXTURES = Path(__file__).parent / "fixtures"
_HOSTS = ("azure-webjobs", "AzureWebJobs")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|\+00:00)")

type Account = dict[str, Any]


def dump(connection: str, folder: Path, version: str, recorded_at: datetime) -> None:
    account = {
        "version": version,
        "recordedAt": recorded_at.isoformat(),
        "tables": _dump_tables(connection),
        "queues": _dump_queues(connection),
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "account.json").write_text(json.dumps(account, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    with BlobServiceClient.from_connection_string(connection) as service:
        for container in service.list_containers():
            if container.name.startswith(_HOSTS):
                continue
            client = service.get_container_client(container.name)
            for blob in client.list_blobs():
                path = folder / "blobs" / container.name / blob.name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(client.download_blob(blob.name).readall())


def _dump_tables(connection: str) -> dict[str, list[dict[str, Any]]]:
    with TableServiceClient.from_connection_string(connection) as service:
        names = sorted(table.name for table in service.list_tables() if not table.name.startswith(_HOSTS))
        return {
            name: [
                {column: _written(value) for column, value in row.items()}
                for row in service.get_table_client(name).list_entities()
            ]
            for name in names
        }


def _written(value: object) -> object:
    """What JSON has no type for, with its type."""
    if isinstance(value, datetime):
        return {"Edm.DateTime": value.astimezone(UTC).isoformat()}
    if isinstance(value, EntityProperty):
        return {value.edm_type: str(value.value)}
    return value


def _dump_queues(connection: str) -> dict[str, list[str]]:
    with QueueServiceClient.from_connection_string(connection) as service:
        found = {
            queue.name: [message.content for message in service.get_queue_client(queue.name).peek_messages(32)]
            for queue in service.list_queues()
        }
        return {name: messages for name, messages in found.items() if messages}


def read(folder: Path) -> Account:
    account: Account = json.loads((folder / "account.json").read_text(encoding="utf-8"))
    account["blobs"] = {
        str(path.relative_to(folder / "blobs")): path.read_bytes()
        for path in sorted((folder / "blobs").rglob("*"))
        if path.is_file()
    }
    return account


def load(account: Account, connection: str) -> None:
    """Into an empty account, as if it had been recorded just now: what expires must not have."""
    later = datetime.now(UTC) - datetime.fromisoformat(account["recordedAt"]) - timedelta(seconds=10)
    with TableServiceClient.from_connection_string(connection) as tables:
        for name, rows in account["tables"].items():
            client = tables.create_table(name)
            moved = later if name.startswith("bridge") else timedelta()  # customers' own times are data
            for row in rows:
                client.create_entity({column: _read(column, value, moved) for column, value in row.items()})
    with QueueServiceClient.from_connection_string(connection) as queues:
        for name, messages in account["queues"].items():
            queue = queues.create_queue(name)
            for message in messages:
                queue.send_message(message)
    with BlobServiceClient.from_connection_string(connection) as blobs:
        for path, data in account["blobs"].items():
            container, _, name = path.partition("/")
            with suppress(ResourceExistsError):
                blobs.create_container(container)
            blobs.get_blob_client(container, name).upload_blob(data)


def _read(column: str, value: Any, later: timedelta) -> Any:
    if isinstance(value, Mapping):
        [(kind, text)] = value.items()
        if kind == "Edm.DateTime":
            return datetime.fromisoformat(text) + later
        return EntityProperty(int(text), kind)
    return _moved(value, later) if isinstance(value, str) and column not in ("PartitionKey", "RowKey") else value


def _moved(text: str, later: timedelta) -> str:
    return _MOMENT.sub(lambda found: (datetime.fromisoformat(found[0]) + later).isoformat(), text)


def comparable(body: bytes, base: str) -> Any:
    """An answer without what differs from one process, and one day, to the next. `base`: the app's address."""
    try:
        answer = json.loads(body)
    except ValueError:
        return body.decode()
    text = json.dumps(answer).replace(base, "{base}")
    text = re.sub(r'W/\\"[^"]*\\"', "{etag}", text)
    return json.loads(_MOMENT.sub("{time}", text))
