"""The enrichment tree: read by path, grown by outputs, never changed."""

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.skills.expressions import location, parse_path, parse_source
from shared.skills.tree import AlreadyExists, Missing, Node, Scope, evaluate

DOCUMENT: dict[str, Any] = {
    "content": "text",
    "empty": [],
    "nothing": None,
    "a/b": {"~": 1},
    "pages": ["one", "two"],
    "images": [
        {"words": ["a", "b"], "size": {"w": 1}},
        {"words": [], "size": {"w": 2}},
        {"words": ["c"]},
    ],
}


def value_of(source: str, *, context: str = "/document", run: int = 0) -> Any:
    scope = Scope.of(DOCUMENT).enumerate(parse_path(context))[run]
    return evaluate(parse_source(source), scope)


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("/document/content", "text"),
        ("/document/nothing", None),
        ("/document/a~1b/~0", 1),
        ("/document/pages", ["one", "two"]),
        ("/document/pages/1", "two"),
        ("/document/pages/*", ["one", "two"]),
        ("/document/pages/#", ["one", "two"]),
        ("/document/empty/*", []),
        ("/document/images/*/words/*", ["a", "b", "c"]),
        ("/document/images/*/words/#", [["a", "b"], [], ["c"]]),
        ("/document/images/*/words", [["a", "b"], [], ["c"]]),
        ("/document/images/0/words/*", ["a", "b"]),
        ("/document/images/*/size/w", [1, 2]),
        ("/document", DOCUMENT),
        ("=[1, $(/document/content), [$(/document/pages/0)]]", [1, "text", ["one"]]),
        ("=$(/document/pages/*)", ["one", "two"]),
        ("='x'", "x"),
    ],
)
def test_a_source_has_its_value(source: str, value: Any) -> None:
    assert value_of(source) == value


@pytest.mark.parametrize(
    ("context", "run", "source", "value"),
    [
        ("/document/pages/*", 0, "/document/pages/*", "one"),
        ("/document/pages/*", 1, "/document/pages/*", "two"),
        ("/document/pages/*", 1, "/document/pages", ["one", "two"]),
        ("/document/pages/*", 1, "/document/content", "text"),
        ("/document/pages/*", 1, "/document/pages/0", "one"),
        ("/document/images/*", 0, "/document/images/*/words/*", ["a", "b"]),
        ("/document/images/*", 2, "/document/images/*/words/*", ["c"]),
        ("/document/images/*", 1, "/document/images/*/size/w", 2),
        ("/document/images/*", 1, "/document/pages/*", ["one", "two"]),
        ("/document/images/*/words/*", 2, "/document/images/*/words/*", "c"),
        ("/document/images/*/words/*", 2, "/document/images/*/words", ["c"]),
        ("/document/images/#", 0, "/document/images/#", DOCUMENT["images"]),
    ],
)
def test_what_a_source_shares_with_the_context_is_the_current_node(
    context: str, run: int, source: str, value: Any
) -> None:
    assert value_of(source, context=context, run=run) == value


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("/document/absent", "Missing value /document/absent"),
        ("/document/content/x", "Missing value /document/content/x"),
        ("/document/a~1b/x", "Missing value /document/a~1b/x"),
        ("/document/empty/0", "Unable to select 0 in array /document/empty of length 0"),
        ("/document/pages/2", "Unable to select 2 in array /document/pages of length 2"),
        ("/document/pages/text", "Missing value /document/pages/text"),
        ("/document/pages/-1", "Missing value /document/pages/-1"),
        ("/document/content/*", "Cannot iterate over non-array /document/content"),
        ("/document/nothing/*", "Cannot iterate over non-array /document/nothing"),
        ("/document/content/#", "Cannot iterate over non-array /document/content"),
        ("=[$(/document/absent)]", "Missing value /document/absent"),
    ],
)
def test_what_leads_nowhere_says_so_in_the_indexers_words(source: str, text: str) -> None:
    with pytest.raises(Missing) as missing:
        value_of(source)

    assert str(missing.value) == text


def test_an_output_becomes_a_child() -> None:
    root = Node({"a": 1}, ("document",))

    root.add("b", {"c": 2})

    assert root.render() == {"a": 1, "b": {"c": 2}}
    assert root.child("b").child("c").render() == 2


@pytest.mark.parametrize("value", ["text", 5, None, True])
def test_a_primitive_with_children_keeps_its_value_beside_them(value: Any) -> None:
    root = Node({"a": value}, ("document",))

    root.child("a").add("b", 1)

    assert root.render() == {"a": {"$value": value, "b": 1}}


def test_an_element_with_children_stays_in_its_array() -> None:
    root = Node({"pages": ["x", "y"]}, ("document",))

    root.child("pages").child("1").add("language", "en")

    assert root.render() == {"pages": ["x", {"$value": "y", "language": "en"}]}


def test_an_array_with_a_child_keeps_its_elements_beside_it() -> None:
    root = Node({"pages": ["x"]}, ("document",))

    root.child("pages").add("count", 1)

    assert root.render() == {"pages": {"$value": ["x"], "count": 1}}


@pytest.mark.parametrize(
    ("path", "name"), [("/document", "content"), ("/document", "nothing"), ("/document/pages", "0")]
)
def test_a_node_that_exists_is_not_written(path: str, name: str) -> None:
    node = Scope.of(DOCUMENT).enumerate(parse_path(path))[0].node

    assert node.has(name)
    with pytest.raises(AlreadyExists, match="already exists, and nodes are immutable"):
        node.add(name, 1)


def test_an_output_is_written_once() -> None:
    root = Node("text", ("document",))
    root.add("a", 1)

    with pytest.raises(AlreadyExists, match="/document/a"):
        root.add("a", 1)


names = st.text(max_size=3)
documents = st.recursive(
    st.none() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=12,
)


def every_node(node: Node, value: Any) -> list[Node]:
    """Reads all there is."""
    if isinstance(value, dict):
        return [node, *(found for name in value for found in every_node(node.child(name), value[name]))]
    if isinstance(value, list):
        return [node, *(found for i, item in enumerate(value) for found in every_node(node.child(str(i)), item))]
    return [node]


@given(documents)
def test_reading_changes_nothing(document: Any) -> None:
    before = copy.deepcopy(document)
    root = Node(document, ("document",))

    nodes = every_node(root, document)

    assert root.render() == before == document
    assert len({str(node) for node in nodes}) == len(nodes)


@given(documents, st.data())
def test_growing_leaves_the_given_document_alone(document: Any, data: st.DataObject) -> None:
    before = copy.deepcopy(document)
    root = Node(document, ("document",))
    grown = data.draw(st.sampled_from(every_node(root, document)))

    grown.add("a new name", 1)

    rendered: Any = root.render()
    for token in grown.place[1:]:
        rendered = rendered[token]
    assert rendered["a new name"] == 1
    assert document == before


@given(documents)
def test_every_place_leads_to_its_node(document: Any) -> None:
    nodes = every_node(Node(document, ("document",)), document)

    for node in nodes:
        if "" not in node.place and "*" not in node.place:
            assert evaluate(parse_path(location(*node.place)), Scope.of(document)) == node.render()
