"""A Table service on loopback that is never the bottleneck: `python -m benchmarks.data.table_service [port]`.

Answers like the real one: its statuses, its headers, the multipart of its transactions, its error bodies. No
authentication. `POST /_reset?limited=1&keep=1` empties it and sets its mode, `GET /_stats` tells what it has seen.
"""

import asyncio
import json
import re
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import cast
from urllib.parse import parse_qs, unquote, urlsplit

import orjson
import uvloop

from benchmarks.data.table_store import Condition, Limits, Partition, Table, bare, etag_of, select

_COMMON = (
    b"Cache-Control: no-cache\r\nServer: Windows-Azure-Table/1.0 Microsoft-HTTPAPI/2.0\r\n"
    b"x-ms-request-id: 6a1c0e2e-b002-0048-5d2a-8f3f5c000000\r\nx-ms-version: 2020-12-06\r\n"
    b"X-Content-Type-Options: nosniff\r\nDate: Tue, 01 Sep 2026 00:00:00 GMT\r\n"
)
_BATCH = "batchresponse_e69b1c60-d6ff-475d-972d-cc1e8d0d8ce6"
_CHANGES = "changesetresponse_be2ccd2d-39f1-4ad3-a9f3-c5b21fb0ccf8"
_OPEN = f"--{_BATCH}\r\nContent-Type: multipart/mixed; boundary={_CHANGES}\r\n\r\n".encode()
_PART = (
    f"--{_CHANGES}\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\n"
    "HTTP/1.1 %d %s\r\nX-Content-Type-Options: nosniff\r\nCache-Control: no-cache\r\nDataServiceVersion: 3.0;\r\n"
)
_CLOSE = f"--{_CHANGES}--\r\n--{_BATCH}--\r\n".encode()
_RECEIVED = 256 * 1024
"""Bytes that may come at once."""
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_HEADER = re.compile(r"([^:\r\n]+): *([^\r\n]*)")
_OPERATION = b"Content-Type: application/http\r\n"
_REQUEST = re.compile(rb"\r\n\r\n(POST|PUT|PATCH|MERGE|DELETE) (\S+) HTTP/1\.1\r\n((?:[^\r\n]+\r\n)*)\r\n(\{.*\})?")
_PARTITION = re.compile(rb'"PartitionKey": ?"((?:[^"\\]|\\.)*)"')
_KEYS = re.compile(r"^(\w+)\(PartitionKey='((?:[^']|'')*)',RowKey='((?:[^']|'')*)'\)$")
_COMPARISON = re.compile(r"\(*(PartitionKey|RowKey) (eq|ge|lt) '((?:[^']|'')*)'\)*(?: and |$)")
_REASONS = {200: "OK", 201: "Created", 202: "Accepted", 204: "No Content", 404: "Not Found", 409: "Conflict"}
_REASONS |= {400: "Bad Request", 412: "Precondition Failed", 501: "Not Implemented", 503: "Service Unavailable"}


class Refused(Exception):
    """What the service says instead."""

    def __init__(self, status: int, code: str, text: str) -> None:
        super().__init__(code)
        self.status, self.code, self.text = status, code, text


_BUSY = (503, "ServerBusy", "The server is currently unable to receive requests. Please retry your request.")
_NO_TABLE = (404, "TableNotFound", "The table specified does not exist.")
_TABLE_EXISTS = (409, "TableAlreadyExists", "The table specified already exists.")
_EXISTS = (409, "EntityAlreadyExists", "The specified entity already exists.")
_NOT_FOUND = (404, "ResourceNotFound", "The specified resource does not exist.")
_CHANGED = (412, "UpdateConditionNotSatisfied", "The update condition specified in the request was not satisfied.")
_TWICE = (400, "InvalidDuplicateRow", "The batch request contains multiple changes with same row key.")
_NOT_HERE = (501, "NotImplemented", "The requested operation is not implemented on the specified resource.")


@dataclass(frozen=True, slots=True)
class Request:
    method: str
    path: str
    """Without the account."""
    query: Mapping[str, list[str]]
    head: str
    body: bytes

    @property
    def headers(self) -> Mapping[str, str]:
        """Read where they are asked for: a transaction needs none of them."""
        return _headers(self.head)


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: bytes = b""
    headers: bytes = b""
    content_type: str = "application/json;odata=minimalmetadata;charset=utf-8"

    def encoded(self) -> bytes:
        kind = f"Content-Type: {self.content_type}\r\n".encode() if self.body else b""
        return b"HTTP/1.1 %d %b\r\n%b%b%bContent-Length: %d\r\n\r\n%b" % (
            *(self.status, _REASONS[self.status].encode(), _COMMON),
            *(kind, self.headers, len(self.body), self.body),
        )


@dataclass
class Account:
    """The service's whole state."""

    keeps: bool = False
    limits: Limits | None = None
    tables: dict[str, Table] = field(default_factory=dict)
    requests: dict[str, int] = field(default_factory=dict)
    """Seen so far, by kind."""
    _version: int = 0

    def table(self, name: str) -> Table:
        if name not in self.tables:
            raise Refused(*_NO_TABLE)
        return self.tables[name]

    def admit(self, table: str, partition: str, rows: int) -> Partition:
        """The partition that `rows` rows go to."""
        found = self.table(table)
        if self.limits is not None and not self.limits.admit(table, partition, rows, time.monotonic()):
            raise Refused(*_BUSY)
        return found.setdefault(partition, Partition())

    def count(self, kind: str) -> None:
        self.requests[kind] = self.requests.get(kind, 0) + 1

    def next_etag(self) -> bytes:
        self._version += 1
        return b"W/\\\"datetime'2026-09-01T00%%3A00%%3A00.%07dZ'\\\"" % self._version

    def stats(self) -> dict[str, object]:
        tables = {
            name: {key: partition.count for key, partition in table.items()} for name, table in self.tables.items()
        }
        refused = self.limits.refused if self.limits else {}
        return {"requests": self.requests, "tables": tables, "refused": refused}


def answered(account: Account, request: Request) -> Answer:
    """Every request ends here, refused ones too."""
    try:
        return _answer(account, request)
    except Refused as refused:
        account.count(refused.code)
        error = {"odata.error": {"code": refused.code, "message": {"lang": "en-US", "value": _text(refused)}}}
        return Answer(refused.status, orjson.dumps(error), b"x-ms-error-code: %b\r\n" % refused.code.encode())


def _text(refused: Refused) -> str:
    return f"{refused.text}\nRequestId:6a1c0e2e-b002-0048-5d2a-8f3f5c000000\nTime:2026-09-01T00:00:00.0000000Z"


def _answer(account: Account, request: Request) -> Answer:
    if request.path == "$batch":
        return _transaction(account, request.body)
    if request.path.startswith("Tables"):
        return _tables(account, request)
    if keys := _KEYS.match(request.path):
        table, partition, row = keys[1], keys[2].replace("''", "'"), keys[3].replace("''", "'")
        if request.method == "GET":
            return _point(account, request, table, partition, row)
        return _single(account, request, table, partition, row)
    if request.method == "GET" and request.path.endswith("()"):
        return _query(account, request, request.path[:-2])
    if request.method == "POST":
        entity = orjson.loads(request.body)
        return _single(account, request, request.path, entity["PartitionKey"], entity["RowKey"])
    raise Refused(*_NOT_HERE)


def _tables(account: Account, request: Request) -> Answer:
    account.count("tables")
    if request.method == "DELETE":
        if account.tables.pop(request.path[len("Tables('") : -len("')")], None) is None:
            raise Refused(*_NOT_FOUND)
        return Answer(204)
    name = orjson.loads(request.body)["TableName"]
    if name in account.tables:
        raise Refused(*_TABLE_EXISTS)
    account.tables[name] = {}
    return Answer(201, orjson.dumps({"TableName": name}))


def _transaction(account: Account, body: bytes) -> Answer:
    account.count("transaction")
    first = _REQUEST.search(body)
    if first is None:
        raise Refused(*_NOT_HERE)
    table = _table_of(first[2])
    key = _PARTITION.search(body)
    partition = json.loads(b'"%b"' % key[1]) if key else ""
    count = body.count(_OPERATION)
    rows = account.admit(table, partition, count)
    etag = account.next_etag()
    if account.keeps:
        try:
            _keep(rows, body, etag)
        except Refused as refused:
            return _batch_answer(_refused_part(refused))
    rows.count += count
    return _batch_answer(_written_part(etag) * count)


def _table_of(url: bytes) -> str:
    return unquote(urlsplit(url.decode()).path).rpartition("/")[2].partition("(")[0]


def _keep(partition: Partition, body: bytes, etag: bytes) -> None:
    """All or none. Raises Refused with the operation's index."""
    puts: dict[str, bytes] = {}
    for index, found in enumerate(_REQUEST.finditer(body)):
        key, entity = orjson.loads(found[4])["RowKey"], found[4]
        problem = _TWICE if key in puts else _conflict(partition, found[1], key, _headers(found[3].decode()))
        if problem:
            raise Refused(problem[0], problem[1], f"{index}:{problem[2]}")
        puts[key] = entity
    for key, entity in puts.items():
        partition.put(key, entity, etag)


def _conflict(partition: Partition, method: bytes, key: str, headers: Mapping[str, str]) -> tuple[int, str, str] | None:
    stored = partition.rows.get(key)
    if method == b"POST":
        return _EXISTS if stored else None
    wanted = headers.get("if-match")
    if wanted is None:
        return None
    if stored is None:
        return _NOT_FOUND
    return None if wanted in ("*", etag_of(stored)) else _CHANGED


def _written_part(etag: bytes) -> bytes:
    head = _PART.encode() % (204, b"No Content")
    place = b"http://127.0.0.1/devstoreaccount1/T(PartitionKey='0000',RowKey='0000000000%7C0000000000')"
    return b"%bPreference-Applied: return-no-content\r\nDataServiceId: %b\r\nETag: %b\r\n\r\n\r\n" % (
        *(head, place, etag.replace(b"\\", b"")),
    )


def _refused_part(refused: Refused) -> bytes:
    error = {"odata.error": {"code": refused.code, "message": {"lang": "en-US", "value": _text(refused)}}}
    head = _PART.encode() % (refused.status, _REASONS[refused.status].encode())
    kind = b"Content-Type: application/json;odata=minimalmetadata;charset=utf-8\r\n"
    return b"%b%b\r\n%b\r\n" % (head, kind, orjson.dumps(error))


def _batch_answer(parts: bytes) -> Answer:
    kind = f"multipart/mixed; boundary={_BATCH}"
    return Answer(202, _OPEN + parts + _CLOSE, content_type=kind)


def _single(account: Account, request: Request, table: str, partition: str, key: str) -> Answer:
    account.count("single")
    rows = account.admit(table, partition, 1)
    etag = account.next_etag()
    if account.keeps:
        problem = _conflict(rows, request.method.encode(), key, request.headers)
        if problem:
            raise Refused(*problem)
        if request.method == "DELETE":
            rows.remove(key)
        else:
            rows.put(key, request.body, etag)
    rows.count += 1
    return Answer(204, headers=b"ETag: %b\r\n" % etag.replace(b"\\", b""))


def _point(account: Account, request: Request, table: str, partition: str, key: str) -> Answer:
    account.count("point")
    found = account.table(table).get(partition, Partition()).rows.get(key)
    if found is None:
        raise Refused(*_NOT_FOUND)
    return Answer(200, _shown(found, request), b"ETag: %b\r\n" % etag_of(found).encode())


def _shown(entity: bytes, request: Request) -> bytes:
    return bare(entity) if "nometadata" in request.headers.get("accept", "") else entity


def _query(account: Account, request: Request, table: str) -> Answer:
    account.count("query")
    query = request.query
    top = min(int(query.get("$top", ["1000"])[0]), 1000)
    start = (query["NextPartitionKey"][0], query.get("NextRowKey", [""])[0]) if "NextPartitionKey" in query else None
    found, following = select(account.table(table), _condition(query.get("$filter", [""])[0]), top, start)
    body = b'{"value":[%b]}' % b",".join(_shown(entity, request) for entity in found)
    headers = ""
    if following is not None:
        headers = "x-ms-continuation-NextPartitionKey: {}\r\nx-ms-continuation-NextRowKey: {}\r\n".format(*following)
    return Answer(200, body, headers.encode())


def _condition(text: str) -> Condition:
    """Raises Refused for what the benches do not use."""
    found = dict[tuple[str, str], str]()
    end = 0
    for part in _COMPARISON.finditer(text):
        found[(part[1], part[2])] = part[3].replace("''", "'")
        end = part.end()
    if end != len(text):
        raise Refused(*_NOT_HERE)
    return Condition(found.get(("PartitionKey", "eq")), found.get(("RowKey", "ge"), ""), found.get(("RowKey", "lt")))


def _headers(text: str) -> dict[str, str]:
    return {found[1].strip().lower(): found[2] for found in _HEADER.finditer(text)}


class Connection(asyncio.BufferedProtocol):
    """One keep-alive connection; requests are answered one after the other. Bytes come where they are looked at."""

    _transport: asyncio.Transport

    def __init__(self, service: "Service") -> None:
        self._service = service
        self._held = bytearray(_RECEIVED)
        self._filled = 0
        """Bytes of `_held` that have come."""
        self._wanted = 0
        """Bytes of the request that is on its way, 0 while its head is not whole."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by inheritance

    def get_buffer(self, sizehint: int) -> memoryview:
        if len(self._held) - self._filled < _RECEIVED // 4:
            self._held = self._held + bytearray(max(_RECEIVED, self._wanted))
        return memoryview(self._held)[self._filled :]

    def buffer_updated(self, nbytes: int) -> None:
        self._filled += nbytes
        while self._is_whole():
            end, self._wanted = self._wanted, 0
            request = bytes(memoryview(self._held)[:end])
            self._held[: self._filled - end] = self._held[end : self._filled]
            self._filled -= end
            self._transport.write(self._service.answer(request).encoded())

    def _is_whole(self) -> bool:
        if not self._wanted:
            end = self._held.find(b"\r\n\r\n", 0, self._filled)
            if end < 0:
                return False
            length = _LENGTH.search(self._held, 0, end)
            self._wanted = end + 4 + (int(length[1]) if length else 0)
        return self._filled >= self._wanted


class Service:
    """The account, and what the benches steer it by."""

    def __init__(self) -> None:
        self._account = Account()

    def answer(self, raw: bytes) -> Answer:
        request = _parsed(raw)
        if request.path == "_reset":
            limits = Limits() if "limited" in request.query else None
            self._account = Account(keeps="keep" in request.query, limits=limits)
            return Answer(204)
        if request.path == "_stats":
            return Answer(200, orjson.dumps(self._account.stats()))
        return answered(self._account, request)


def _parsed(raw: bytes) -> Request:
    head, _, body = raw.partition(b"\r\n\r\n")
    line, _, headers = head.decode("latin-1").partition("\r\n")
    method, target, _ = line.split(" ", 2)
    path, _, query = target.partition("?")
    name = unquote(path.rpartition("/")[2])
    return Request(method, name, parse_qs(query) if query else {}, headers, body)


async def _serve(port: int) -> None:
    service = Service()
    server = await asyncio.get_running_loop().create_server(lambda: Connection(service), "127.0.0.1", port)
    print(f"listening {server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_serve(int(sys.argv[1]) if len(sys.argv) > 1 else 0))
