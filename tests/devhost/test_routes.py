"""Routes: templates, precedence, constraints, and the path that they are matched with."""

import re
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devhost.errors import StartError
from devhost.routes import Router, decode_path, make_route, refuse_conflicts


def values_of(template: str, path: str) -> dict[str, str | None] | None:
    return make_route("f", template).match(path)


@pytest.mark.parametrize(
    ("template", "path", "values"),
    [
        ("a/b", "/a/b", {}),
        ("a/b", "/A/b/", {}),
        ("a/b", "/a", None),
        ("a/b", "/a/b/c", None),
        ("a/b", "/a//b", None),
        ("/", "/", {}),
        ("a/{x}", "/a/1", {"x": "1"}),
        ("a/{x}", "/a", None),
        ("a/{x}", "/a/", None),
        ("a/{x}", "/a//", None),
        ("a/{x?}", "/a", {"x": None}),
        ("a/{x?}", "/a/1", {"x": "1"}),
        ("a/{x=5}", "/a", {"x": "5"}),
        ("a/{x=5}", "/a/6", {"x": "6"}),
        ("a/{x?}/{y?}", "/a/1", {"x": "1", "y": None}),
        ("a/{x?}/b", "/a/b", None),
        ("a/{*rest}", "/a", {"rest": None}),
        ("a/{*rest}", "/a/b/c%2Fd/", {"rest": "b/c%2Fd/"}),
        ("{*rest}", "/", {"rest": None}),
        ("a/{**rest}", "/a/b/c", {"rest": "b/c"}),
        ("files/{name}.{kind}", "/files/a.b.csv", {"name": "a.b", "kind": "csv"}),
        ("files/{name}.{kind?}", "/files/a", {"name": "a", "kind": None}),
        ("files/{name}.{kind?}", "/files/a.txt", {"name": "a", "kind": "txt"}),
        ("v{version}/x", "/v2/x", {"version": "2"}),
        ("v{version}/x", "/v/x", None),
        ("a/{x:int}", "/a/b", None),
        ("a/{x:int?}", "/a", {"x": None}),
        ("a/{x:int:range(1,3)}", "/a/3", {"x": "3"}),
        ("a/{x:int:range(1,3)}", "/a/4", None),
        (r"a/{x:regex(^\d{{2}}/?$)}", "/a/12", {"x": "12"}),
        (r"a/{x:regex(^\d{{2}}$)}", "/a/123", None),
        ("a/{x:regex(b)}", "/a/ABC", {"x": "ABC"}),  # not anchored, without regard to case
        ("data('{key}')", "/data('1')", {"key": "1"}),
        ("$metadata", "/$metadata", {}),
    ],
)
def test_template_takes_these_values_from_a_path(
    template: str, path: str, values: dict[str, str | None] | None
) -> None:
    assert values_of(template, path) == values


CASES: dict[str, tuple[list[str], list[str]]] = {
    "int": (["1", "-1", "+1", "2147483647", " 7"], ["", "1.0", "2147483648", "x", "٣", "1" * 5000]),
    "long": (["9223372036854775807", "0" * 5000 + "1"], ["9223372036854775808", "1e3"]),
    "bool": (["true", "FALSE"], ["1", "yes"]),
    "alpha": (["abc", "ABC"], ["a1", "é", "a-b"]),
    "guid": (
        [
            "CD2C1638-1638-72D5-1638-DEADBEEF1638",
            "cd2c1638163872d51638deadbeef1638",
            "{cd2c1638-1638-72d5-1638-deadbeef1638}",
        ],
        ["cd2c1638", "{cd2c1638163872d51638deadbeef1638}", "zd2c1638-1638-72d5-1638-deadbeef1638"],
    ),
    "decimal": (["1.5", "-1,000.5", ".5"], ["1e3", "x", "9" * 40]),
    "double": (["1.5", "-1e10", "NaN", "Infinity"], ["x", "1.5.2"]),
    "float": (["1.5"], ["one"]),
    "datetime": (
        ["2026-11-21", "2026-11-21T10:00:00Z", "11/21/2026 10:00:00", "21 November 2026"],
        ["20261121", "soon"],
    ),
    "min(3)": (["3", "4"], ["2", "x"]),
    "max(3)": (["3", "-9"], ["4", "x"]),
    "range(1,3)": (["1", "3"], ["0", "4"]),
    "length(3)": (["abc"], ["ab", "abcd"]),
    "length(2,3)": (["ab", "abc"], ["a", "abcd"]),
    "minlength(2)": (["ab"], ["a"]),
    "maxlength(2)": (["ab", "a"], ["abc"]),
    "required": (["a"], []),
}


@pytest.mark.parametrize(("constraint", "value"), [(name, v) for name, (good, _) in CASES.items() for v in good])
def test_constraint_lets_pass(constraint: str, value: str) -> None:
    assert values_of(f"a/{{x:{constraint}}}", f"/a/{value.replace('/', '%2F')}") is not None or "/" in value


@pytest.mark.parametrize(("constraint", "value"), [(name, v) for name, (_, bad) in CASES.items() for v in bad])
def test_constraint_that_fails_is_no_match(constraint: str, value: str) -> None:
    assert values_of(f"a/{{x:{constraint}}}", f"/a/{value}") is None


@pytest.mark.parametrize(
    "template",
    [
        *("a/{x:what}", "a/{x:int(1)}", "a/{x:range(1)}", "a/{x:min(a)}", "a/{*x}/b", "a/b{*x}", "a/{x}{y}"),
        *("a/{x}/{X}", "a//b", "a/{}", "a/{x", "a/b}", "a?b", "admin/x", "runtime", "a/{x:regex([)}"),
    ],
)
def test_template_that_cannot_be_is_refused_with_its_function(template: str) -> None:
    with pytest.raises(StartError, match="'f'"):
        make_route("f", template)


@pytest.mark.parametrize(
    ("path", "function"),
    [
        ("/api/items/new", "literal"),
        ("/api/items/5", "constrained"),
        ("/api/items/x", "free"),
        ("/api/items/x/parts", "longer"),
        ("/api/items/x/y/z", "rest"),
        ("/api", "root"),
    ],
)
def test_the_more_specific_route_wins_whatever_the_order(path: str, function: str) -> None:
    templates = {
        "rest": "items/{*rest}",
        "free": "items/{id}",
        "constrained": "items/{id:int}",
        "literal": "items/new",
        "longer": "items/{id}/parts",
        "root": "/",
    }
    for names in (list(templates), list(reversed(templates))):
        router = Router([make_route(name, templates[name], prefix="api") for name in names])

        match = router.find("GET", path)

        assert match is not None
        assert match.function == function


def test_a_wrong_method_is_no_match_and_leaves_the_path_to_the_next_route() -> None:
    router = Router([make_route("get", "x", ["GET"]), make_route("any", "{y}")])

    found = [router.find(method, "/x") for method in ("GET", "HEAD", "POST")]

    assert [match and match.function for match in found] == ["get", "any", "any"]
    assert Router([make_route("get", "x", ["GET"])]).find("POST", "/x") is None


@pytest.mark.parametrize(
    ("methods", "other", "conflict"),
    [(["GET"], ["POST"], False), (["GET"], ["GET", "PUT"], True), ([], ["GET"], True), (["GET"], [], True)],
)
def test_one_template_needs_methods_apart(methods: list[str], other: list[str], conflict: bool) -> None:
    routes = [make_route("one", "a/{x}", methods), make_route("two", "A/{X}", other)]
    try:
        refuse_conflicts(routes)
    except StartError:
        assert conflict
    else:
        assert not conflict


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        (b"/a%20b", "/a b"),
        (b"/a%2Fb", "/a%2Fb"),
        (b"/a%2fb%41", "/a%2fbA"),
        (b"/a%252Fb", "/a%2Fb"),
        (b"/a%3Fb", "/a?b"),
        (b"/%C3%A9", "/é"),
        (b"/%FF%41", "/%FF%41"),
        (b"/a+b", "/a+b"),
        (b"/100%", "/100%"),
        (b"/a/./b/../c", "/a/c"),
        (b"/../../a", "/a"),
        (b"/a/..", "/"),
        (b"/a/%2e%2e/b", "/b"),
        (b"/.well-known/x", "/.well-known/x"),
    ],
)
def test_path_is_decoded_once_but_for_the_slash(raw: bytes, path: str) -> None:
    assert decode_path(raw) == path


@given(st.text(alphabet=st.characters(codec="utf-8", exclude_characters="."), min_size=1, max_size=20))
def test_any_text_in_a_segment_reaches_the_function_as_it_was(text: str) -> None:
    path = decode_path(b"/x/" + quote(text, safe="").encode())

    values = values_of("x/{value}", path)

    assert values is not None
    assert re.sub("%2F", "/", values["value"] or "") == text.replace("%2F", "/")


@given(st.lists(st.sampled_from(["a", "{x}", "{y:int}", "{z?}", "b{w}", "{*rest}"]), max_size=4), st.text(max_size=20))
def test_matching_never_fails_and_tells_only_the_templates_own_names(segments: list[str], path: str) -> None:
    try:
        route = make_route("f", "/".join(segments))
    except StartError:
        return

    values = route.match("/" + path)

    assert values is None or set(values) <= {"x", "y", "z", "w", "rest"}


@given(st.lists(st.sampled_from(["a/b", "a/{x}", "a/{x:int}", "{x}/b", "a", "a/b/c", "{*r}", "a/{*r}"]), unique=True))
def test_precedence_does_not_hang_on_the_order_of_declaration(templates: list[str]) -> None:
    def order(names: list[str]) -> list[str]:
        return [route.template for route in Router([make_route(name, name) for name in names]).routes]

    assert order(templates) == order(list(reversed(templates)))
