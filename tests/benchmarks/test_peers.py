"""Every peer gives every record its own answer, in order, and none hides a failure."""

from collections.abc import Iterator

import pytest

from benchmarks.child import PeerProcess, check_order
from benchmarks.endpoint import Endpoint, start_endpoint
from benchmarks.measure import Job
from benchmarks.peers import PEERS
from benchmarks.skills import make_records


@pytest.fixture(scope="module")
def endpoint() -> Iterator[Endpoint]:
    with start_endpoint() as running:
        yield running


@pytest.mark.parametrize("name", PEERS)
def test_a_peer_answers_every_record_in_order(name: str, endpoint: Endpoint) -> None:
    records = make_records(43, seed=1)
    endpoint.reset()

    answers = PEERS[name](records, endpoint.url("/tail"), 10)

    check_order([answer["digest"] for answer in answers], records)
    assert all(answer["detected_language_code"] == "es" for answer in answers)


@pytest.mark.parametrize("name", PEERS)
def test_a_peer_raises_on_an_error_status(name: str, endpoint: Endpoint) -> None:
    with pytest.raises(Exception, match="404"):
        PEERS[name]([b"{}"], endpoint.url("/nowhere"), 2)


def test_a_peer_process_measures_wall_and_cpu_of_its_run(endpoint: Endpoint) -> None:
    peer = PeerProcess("raw")

    try:
        sample = peer.run(Job(endpoint.url("/d/5"), 4, make_records(40, seed=2)))
    finally:
        peer.close()

    assert sample.records == 40
    assert sample.wall_s >= 10 * 0.005
    assert sample.cpu_s > 0


def test_a_peer_process_tells_what_failed_and_goes_on(endpoint: Endpoint) -> None:
    peer = PeerProcess("raw")

    try:
        with pytest.raises(RuntimeError, match="raw: ConnectionError: the endpoint answered 404"):
            peer.run(Job(endpoint.url("/nowhere"), 1, [b"{}"]))
        assert peer.run(Job(endpoint.url("/d/0"), 1, [b"{}"])).records == 1
    finally:
        peer.close()


@pytest.mark.parametrize("digests", [[], ["d202ef8d"], ["d202ef8d", "d202ef8d"], ["e8b7be43", "d202ef8d"]])
def test_missing_doubled_and_swapped_answers_are_noticed(digests: list[str]) -> None:
    with pytest.raises(ValueError, match="answers for 2 records"):
        check_order(digests, [b"\x00", b"a"])  # whose digests are d202ef8d and e8b7be43


def test_records_are_distinct_within_and_between_runs() -> None:
    first, second = make_records(1000, seed=1), make_records(1000, seed=2)

    assert len({*first, *second}) == 2000
    assert {len(record) for record in first} == {211}
