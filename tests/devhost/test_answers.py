"""From a function's result to an HTTP answer."""

import pytest

from devhost.answers import Answer, answer_of
from devhost.protos import (
    NullableBool,
    NullableDouble,
    NullableString,
    NullableTimestamp,
    RpcHttp,
    RpcHttpCookie,
    Timestamp,
    TypedData,
)
from devhost.worker import Outcome


def http(**parts: object) -> Outcome:
    defaults: dict[str, object] = {"status_code": "200", "body": TypedData(bytes=b"")}
    return Outcome(TypedData(http=RpcHttp(**{**defaults, **parts})))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("outcome", "answer"),
    [
        (http(status_code="201", body=TypedData(bytes=b"x")), Answer(201, b"x", {}, [])),
        (http(body=None), Answer(200, b"", {}, [])),
        (http(headers={"A": "1", "a": "2", "Content-Length": "9"}), Answer(200, b"", {"A": "1"}, [])),
        (Outcome(), Answer(200)),
        (Outcome(TypedData(bytes=b"raw")), Answer(200, b"raw")),
    ],
)
def test_result_becomes_this_answer(outcome: Outcome, answer: Answer) -> None:
    assert answer_of(outcome, "$return") == answer


@pytest.mark.parametrize(
    ("text", "status", "body"),
    [
        ("plain", 200, b"plain"),
        ("", 200, b""),
        ("12", 200, b"12"),
        ("null", 200, b""),
        ('["a"]', 200, b'[\n  "a"\n]'),
        ('{"Body": {"a": 1}, "statusCode": 202}', 202, b'{"a": 1}'),
        ('{"body": "x", "status": "203"}', 203, b"x"),
        ('{"status": 500}', 200, b'{\n  "status": 500\n}'),
    ],
)
def test_a_returned_str_is_read_as_the_real_host_reads_it(text: str, status: int, body: bytes) -> None:
    answer = answer_of(Outcome(TypedData(string=text)), "$return")

    assert (answer.status, answer.body) == (status, body)


def test_an_http_output_that_is_not_the_return_value_is_found_by_its_name() -> None:
    outcome = Outcome(TypedData(string="no"), {"res": TypedData(string="yes")})

    assert answer_of(outcome, "res").body == b"yes"
    assert answer_of(outcome, None) == Answer(200)


@pytest.mark.parametrize(
    ("cookie", "header"),
    [
        (RpcHttpCookie("a", "1"), "a=1; path=/"),
        (RpcHttpCookie("a", "x y;z", path=NullableString("")), "a=x%20y%3Bz"),
        (
            RpcHttpCookie(
                "a",
                "1",
                domain=NullableString("example.org"),
                path=NullableString("/p"),
                expires=NullableTimestamp(Timestamp(0)),
                secure=NullableBool(True),
                http_only=NullableBool(True),
                same_site=1,
                max_age=NullableDouble(60.0),
            ),
            "a=1; expires=Thu, 01 Jan 1970 00:00:00 GMT; max-age=60; domain=example.org; path=/p; secure; "
            "samesite=lax; httponly",
        ),
        (RpcHttpCookie("a", "1", secure=NullableBool(False), same_site=3), "a=1; path=/; samesite=none"),
    ],
)
def test_cookie_is_written_as_aspnet_writes_it(cookie: RpcHttpCookie, header: str) -> None:
    assert answer_of(http(cookies=[cookie]), "$return").cookies == [header]


@pytest.mark.parametrize(
    "parts",
    [
        {"headers": {"X": "a\r\nSet-Cookie: b"}},
        {"headers": {"X": "é"}},
        {"headers": {"X Y": "a"}},
        {"status_code": "99"},
        {"status_code": "ok"},
        {"cookies": [RpcHttpCookie("a\r\n", "1")]},
    ],
)
def test_what_cannot_be_sent_is_refused(parts: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"header|status|cookie|invalid literal"):
        answer_of(http(**parts), "$return")
