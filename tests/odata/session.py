"""python-odata at work. Run by .venv-odata's Python; prints what it saw, as one JSON object.

python session.py http://127.0.0.1:7071/api/data <reader key>
"""

import json
import sys
from datetime import UTC, datetime
from typing import Any

from odata import ODataService
from requests import Session


def main(root: str, key: str) -> dict[str, Any]:
    session = Session()
    session.auth = ("reader", key)
    service = ODataService(root, session=session, reflect_entities=True, quiet_progress=True)
    orders = service.entities["Orders"]
    query = service.query(orders)
    properties = {name: type(one).__name__ for name, one in vars(orders.__mro__[1]).items() if hasattr(one, "asc")}
    every = query.all()
    some = query.filter(orders.name == "O'Neil").filter(orders.pieces > 0).filter(orders.big != None)  # noqa: E711
    late = query.filter(orders.at >= datetime(2026, 6, 1, tzinfo=UTC))
    first = query.order_by(orders.score.desc(), orders.order.asc()).limit(5)
    one = query.get(CustomerId="c'0003", order="o/2")
    return {
        "entities": sorted(service.entities),
        "properties": properties,
        "keys": [name for name, _ in every[0].__odata__.primary_key_properties],
        "rows": [dict(row.__odata__.data) for row in every],
        "some": [[row.CustomerId, row.order] for row in some],
        "late": late.count(),
        "first": first.select(orders.CustomerId, orders.order, orders.score).all(),
        "contains": query.filter(orders.name.contains("北")).count(),
        "one": [one.name, one.pieces, one.big, None if one.at is None else one.at.isoformat()],
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(*sys.argv[1:])) + "\n")
