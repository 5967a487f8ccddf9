"""Skills and their secrets in Table storage: tables `bridgeskills` and `bridgesecrets`."""

from datetime import UTC, datetime

from azure.data.tables.aio import TableServiceClient

from shared.skills.catalog import KeyPlace, StoredSkill
from shared.storage.columns import read_document, write_document
from shared.storage.resources import NamedRows
from shared.storage.tables import Row, Table

_PARTITION = "skill"


class TableSkillStore(NamedRows[StoredSkill]):
    """Skills, and beside them their secrets."""

    def __init__(self, service: TableServiceClient) -> None:
        optional = ("KeySetting", "KeySecret")
        super().__init__(service, "bridgeskills", _PARTITION, write=_columns, read=_read, optional=optional)
        self._secrets = Table(service, "bridgesecrets")

    async def get_secret(self, secret_id: str) -> str | None:
        row = await self._secrets.get(_PARTITION, secret_id)
        return None if row is None else str(row["Value"])

    async def put_secret(self, secret_id: str, value: str) -> None:
        await self._secrets.upsert(_PARTITION, secret_id, {"Value": value})

    async def delete_secret(self, secret_id: str) -> None:
        await self._secrets.delete(_PARTITION, secret_id)


def _columns(skill: StoredSkill) -> dict[str, str | datetime]:
    key = {"KeySetting": skill.key.setting or "", "KeySecret": skill.key.secret_id or ""} if skill.key else {}
    return {
        "Name": skill.name,
        "ETag": skill.etag,
        "UpdatedAt": skill.updated_at,
        **key,
        **write_document(skill.document),
    }


def _read(row: Row) -> StoredSkill:
    setting, secret_id = row.get("KeySetting") or None, row.get("KeySecret") or None
    return StoredSkill(
        name=row["Name"],
        document=read_document(row),
        key=KeyPlace(setting, secret_id) if setting or secret_id else None,
        etag=row["ETag"],
        updated_at=datetime.fromisoformat(str(row["UpdatedAt"])).astimezone(UTC),
        version=row.etag,
    )
