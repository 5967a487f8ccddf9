"""Ours: the gateway as a caller meets it, one POST of the whole batch to a running host, and its answer."""

import contextlib
import http.client
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import orjson

from benchmarks.child import check_order
from benchmarks.measure import Job, Sample, measured, process_cpu

ANSWER_SECONDS = 230


class Gateway:
    """Skills on a running host; `pid` is the process whose CPU counts."""

    def __init__(self, url: str, pid: int) -> None:
        self._address = urlsplit(url)
        self._pid = pid
        self._skills: dict[tuple[str, int, int], str] = {}

    def run(self, job: Job) -> Sample:
        """POST all records in one envelope; the clocks run from its first byte to the answer's last."""
        skill = self._skill_for(job)
        body, answers = envelope(job.records), list[bytes]()
        with self._connected() as connection:
            call = ("POST", f"/api/skills/{skill}", body)
            wall, cpu = measured(lambda: answers.append(exchange(connection, *call)), lambda: process_cpu(self._pid))
        check_answer(answers[0], job.records)
        return Sample(wall, cpu, len(job.records))

    def close(self) -> None:
        """Nothing to end: the host belongs to `started_gateway`."""

    def _skill_for(self, job: Job) -> str:
        """The name of the skill for such jobs; put at its first use."""
        kind = (job.url, job.parallelism, job.per_call)
        if kind not in self._skills:
            name = f"bench-{len(self._skills)}"
            with self._connected() as connection:
                exchange(connection, "PUT", f"/api/skills/{name}", orjson.dumps(definition(job)))
            self._skills[kind] = name
        return self._skills[kind]

    @contextlib.contextmanager
    def _connected(self) -> Iterator[http.client.HTTPConnection]:
        connection = http.client.HTTPConnection(str(self._address.hostname), self._address.port, timeout=ANSWER_SECONDS)
        connection.connect()
        try:
            yield connection
        finally:
            connection.close()


def definition(job: Job) -> dict[str, Any]:
    """The skill for a job, as one would copy it from a skillset."""
    batched = {"payload": "instances", "maxRecordsPerCall": job.per_call} if job.per_call > 1 else {}
    return {
        "@odata.type": "#Microsoft.Skills.Custom.AmlSkill",
        "context": "/document",
        "uri": job.url,
        "degreeOfParallelism": job.parallelism,
        "inputs": [{"name": "text", "source": "/document/content"}],
        "outputs": [{"name": "detected_language_code"}, {"name": "digest"}],
        "gateway": {"deadline": "PT225S", **batched},
    }


def envelope(records: list[bytes]) -> bytes:
    """The custom skill's request: record ids are the positions."""
    values = (b'{"recordId":"%d","data":%b}' % item for item in enumerate(records))
    return b'{"values":[%b]}' % b",".join(values)


def exchange(connection: http.client.HTTPConnection, method: str, path: str, body: bytes) -> bytes:
    """One request and its answer's body; raises for any status above 299."""
    connection.request(method, path, body, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    content = answer.read()
    if answer.status > 299:
        raise RuntimeError(f"{method} {path} answered {answer.status}: {content[:300].decode(errors='replace')}")
    return content


def check_answer(content: bytes, records: list[bytes]) -> None:
    """Raise unless every record was scored, without errors, in the order of the request."""
    values = orjson.loads(content)["values"]
    if faults := [value["errors"] for value in values if value["errors"]]:
        raise RuntimeError(f"{len(faults)} of {len(values)} records have errors, the first: {faults[0]}")
    if [value["recordId"] for value in values] != [str(index) for index in range(len(records))]:
        raise RuntimeError("the records are not those of the request, in its order")
    check_order([value["data"]["digest"] for value in values], records)
