"""Makes the fixture of this release: an account that the app itself filled, written down with what the API says of it.

python -m tests.upgrade.record      (make fixture)
"""

import asyncio
import json
import shutil
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from shared.app import VERSION, Services
from tests.devhost.running import eventually
from tests.support.bridge import INPUTS_AND_OUTPUTS, settings
from tests.support.workshop import CONNECTION, NONSENSE, SOON, Workshop, running_workshop
from tests.upgrade.account import FIXTURES, comparable, dump

FIRST = "customer_id,score,joined\n00001,0.5,2026-01-31T00:00:00Z\n00002,1.5,2026-02-28T00:00:00Z\nÖ'3,2.5,\n"
SECOND = f"{FIRST}00004,4,2026-03-01T12:30:00Z\n,7,\n00005,5,\n00001,9,\n"
NOTE = "long " * 6700
"""Too large for a property: it lies in a blob."""
LONG = f"customer_id,score,note\n00001,0.5,{NOTE}\n"
_ONE_ATTEMPT = {"AzureFunctionsJobHost__extensions__queues__maxDequeueCount": "1"}
_DAILY = {"cron": "0 6 * * *", "timeZone": "Europe/Berlin"}


def record(folder: Path) -> None:
    with running_workshop(**SOON, **_ONE_ATTEMPT) as shop:
        runs, key = fill(shop)
        answers = {path: answer(shop, path) for path in paths(runs)}
        shop.bridge.host.stop()
        now = asyncio.run(begin_waiting(shop))
        shutil.rmtree(folder, ignore_errors=True)
        dump(shop.account, folder, VERSION, now)
    told = {"readerKey": key, "runs": runs, "answers": answers}
    (folder / "answers.json").write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def fill(shop: Workshop) -> tuple[dict[str, str], str]:
    """As people do it, over HTTP. The runs by what became of them, and a reader key."""
    skill = {
        **INPUTS_AND_OUTPUTS,
        "uri": "https://x.westeurope.inference.ml.azure.com/score",
        "key": "key-of-the-fixture",
    }
    assert shop.bridge.call("PUT", "skills/language", skill).status == 201
    quality = {"maxRejectedRatio": 0.9, "maxRowCountChangeRatio": 5.0}
    shop.publish("value", {"scores.csv": FIRST}, quality=quality)
    succeeded = shop.publish("value", {"scores.csv": SECOND}, quality=quality, columns={"score": "Edm.Double"})
    shop.publish("notes", {"scores.csv": LONG})
    held = shop.start("held", {"scores.csv": FIRST}, quality={"minRows": 9}, maxAge="P2D")
    shop.wait_for(held, "held")
    assert shop.save("waiting", schedule=_DAILY).status == 201
    assert shop.bridge.call("DELETE", "customers/00002").status == 200
    made = shop.bridge.call("POST", "reader-keys", {"name": "sales"})
    shop.send("workflow-refresh", NONSENSE)
    eventually(lambda: shop.bridge.call("GET", "poison").json["value"], 30)
    return {"succeeded": succeeded["id"], "held": held}, str(made.json["key"])


async def begin_waiting(shop: Workshop) -> datetime:
    """A run by its timetable, which nobody has taken up yet: the scheduler's own work, at its next time."""
    soon = datetime.now(UTC) + timedelta(days=1, minutes=1)
    services = Services(settings(shop.account, shop.bridge.simulator), now=lambda: soon)
    report = await services.scheduler.tick()
    assert [slot.outcome.value for slot in report.settled["waiting"]] == ["run"]
    return soon


def paths(runs: dict[str, str]) -> list[str]:
    """What is asked of it, and will be asked of it by the releases to come."""
    return [
        "skills",
        "skills/language",
        f"connections/{CONNECTION}",
        "workflows",
        "workflows/value",
        "workflows/value/runs",
        *(f"runs/{run}" for run in runs.values()),
        "entities",
        "entities/Value",
        "entities/Value/rejects",
        "data/Value",
        "data/Value?$filter=CustomerId%20eq%20%2700001%27",
        "data/Value?$filter=score%20gt%201&$orderby=score%20desc&$count=true",
        "data/Value?$format=csv",
        "data/Value(%2700004%27)",
        "data/Value/$count",
        "data/Notes",
        "customers/00004",
        "customers/00002",
        "reader-keys",
        "poison",
    ]


def answer(shop: Workshop, path: str) -> dict[str, Any]:
    """As it compares with that of another process."""
    reply = shop.bridge.call("GET", path)
    base = f"http://127.0.0.1:{shop.bridge.host.port}"
    return {"status": reply.status, "body": comparable(reply.body, base)}


if __name__ == "__main__":
    place = FIXTURES / VERSION
    record(place)
    size = sum(path.stat().st_size for path in place.rglob("*") if path.is_file())
    sys.stdout.write(f"{place}: {size // 1024} KiB\n")
