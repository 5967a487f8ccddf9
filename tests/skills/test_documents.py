"""Whole documents, enriched as an indexer would."""

import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.errors import BadRequest, OperatorNotSupported, PayloadTooLarge
from shared.skills.documents import EnrichedDocument, enrich_documents, parse_documents
from tests.skills.fakes import Call, FakeEndpoint, Reply, say, skill, status
from tests.support.virtual_time import run_virtual


def echo(call: Call) -> Reply:
    """The model that answers what it was sent."""
    return say({"label": call.body})


def enrich(document: Any, script: Any = echo, **members: Any) -> tuple[EnrichedDocument, FakeEndpoint]:
    ready, endpoint = skill(script, **members)
    given = copy.deepcopy(document)
    [enriched] = run_virtual(enrich_documents(ready, [document], 27))
    assert document == given, "the given document was changed"
    return enriched, endpoint


def source(text: str, name: str = "text") -> list[dict[str, Any]]:
    return [{"name": name, "source": text}]


def shape(context: str, *inputs: dict[str, Any], name: str = "shape") -> dict[str, Any]:
    return {"name": name, "sourceContext": context, "inputs": list(inputs)}


IMAGES = {
    "title": "T",
    "images": [
        {"words": ["a", "b"], "name": "first"},
        {"words": ["c"], "name": "second"},
    ],
}


# What is sent


@pytest.mark.parametrize(
    ("text", "sent"),
    [
        ("/document/title", "T"),
        ("/document/images/1/name", "second"),
        ("/document/images/*/words/*", ["a", "b", "c"]),
        ("/document/images/*/words/#", [["a", "b"], ["c"]]),
        ("/document/images", IMAGES["images"]),
        ("='es'", "es"),
        ("=-5", -5),
        ("=[1, 'x', $(/document/title), [$(/document/images/*/name)]]", [1, "x", "T", [["first", "second"]]]),
    ],
)
def test_a_source_is_evaluated_for_the_document(text: str, sent: Any) -> None:
    _, endpoint = enrich(IMAGES, inputs=source(text))

    assert [call.body for call in endpoint.calls] == [{"text": sent}]


def test_a_null_literal_is_no_value() -> None:
    enriched, endpoint = enrich({"a": 1}, inputs=[*source("=null"), *source("/document/a", "a")])

    assert endpoint.calls[0].body == {"text": None, "a": 1}
    assert enriched.warnings == ["Required skill input is missing. Name: text, Source: =null"]


def test_a_context_with_an_array_runs_once_for_each_element() -> None:
    enriched, endpoint = enrich(
        IMAGES,
        context="/document/images/*",
        inputs=[*source("/document/images/*/words/*", "words"), *source("/document/title", "title")],
        outputs=[{"name": "label", "targetName": "seen"}],
    )

    assert [call.body for call in endpoint.calls] == [
        {"words": ["a", "b"], "title": "T"},
        {"words": ["c"], "title": "T"},
    ]
    assert enriched.document == {
        "title": "T",
        "images": [
            {"words": ["a", "b"], "name": "first", "seen": {"words": ["a", "b"], "title": "T"}},
            {"words": ["c"], "name": "second", "seen": {"words": ["c"], "title": "T"}},
        ],
    }
    assert (enriched.errors, enriched.warnings) == ([], [])


def test_a_string_grows_children() -> None:
    enriched, _ = enrich(
        {"pages": ["eins", "two"]},
        lambda call: say({"label": call.body["text"][:1]}),
        context="/document/pages/*",
        inputs=source("/document/pages/*"),
    )

    assert enriched.document == {"pages": [{"$value": "eins", "label": "e"}, {"$value": "two", "label": "t"}]}


def test_contexts_nest() -> None:
    _, endpoint = enrich(
        IMAGES,
        context="/document/images/*/words/*",
        inputs=[*source("/document/images/*/words/*"), *source("/document/images/*/name", "name")],
    )

    assert [call.body for call in endpoint.calls] == [
        {"text": "a", "name": "first"},
        {"text": "b", "name": "first"},
        {"text": "c", "name": "second"},
    ]


def test_escaped_names_are_read_and_written() -> None:
    enriched, endpoint = enrich(
        {"a/b": {"~": {"#": "x"}}}, context="/document/a~1b/~0", inputs=source("/document/a~1b/~0/~2")
    )

    assert endpoint.calls[0].body == {"text": "x"}
    assert enriched.document == {"a/b": {"~": {"#": "x", "label": {"text": "x"}}}}


# Shapes


def test_a_shape_without_an_array_is_one_object() -> None:
    _, endpoint = enrich(
        IMAGES,
        inputs=[shape("/document", *source("/document/title", "t"), *source("/document/images/0/name", "n"))],
    )

    assert endpoint.calls[0].body == {"shape": {"t": "T", "n": "first"}}


def test_a_shape_over_an_array_is_an_array_of_objects() -> None:
    _, endpoint = enrich(
        IMAGES,
        inputs=[
            shape(
                "/document/images/*",
                *source("/document/images/*/name", "n"),
                *source("/document/images/*/words/*", "w"),
                *source("/document/title", "t"),
            )
        ],
    )

    assert endpoint.calls[0].body == {
        "shape": [{"n": "first", "w": ["a", "b"], "t": "T"}, {"n": "second", "w": ["c"], "t": "T"}]
    }


def test_a_shape_below_the_context_is_bound_to_the_current_node() -> None:
    _, endpoint = enrich(
        IMAGES,
        context="/document/images/*",
        inputs=[shape("/document/images/*", *source("/document/images/*/name", "n"))],
    )

    assert [call.body for call in endpoint.calls] == [{"shape": {"n": "first"}}, {"shape": {"n": "second"}}]


def test_a_shape_above_the_context_still_reads_the_current_node() -> None:
    _, endpoint = enrich(
        IMAGES,
        context="/document/images/*",
        inputs=[shape("/document", *source("/document/images/*/name", "n"), *source("/document/title", "t"))],
    )

    assert [call.body for call in endpoint.calls] == [
        {"shape": {"n": "first", "t": "T"}},
        {"shape": {"n": "second", "t": "T"}},
    ]


def test_shapes_nest_recursively() -> None:
    _, endpoint = enrich(
        IMAGES,
        inputs=[
            shape(
                "/document/images/*",
                *source("/document/images/*/name", "n"),
                shape("/document/images/*/words/*", *source("/document/images/*/words/*", "w"), name="inner"),
            )
        ],
    )

    assert endpoint.calls[0].body == {
        "shape": [
            {"n": "first", "inner": [{"w": "a"}, {"w": "b"}]},
            {"n": "second", "inner": [{"w": "c"}]},
        ]
    }


def test_a_shape_leaves_out_what_has_no_value_and_says_so() -> None:
    enriched, endpoint = enrich(
        {"a": 1}, inputs=[shape("/document", *source("/document/a", "a"), *source("/document/b", "b"))]
    )

    assert endpoint.calls[0].body == {"shape": {"a": 1}}
    assert enriched.warnings == [
        "Required skill input is missing. Name: b, Source: /document/b. Missing value /document/b."
    ]


# What is missing


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("/document/x", "Missing value /document/x."),
        ("/document/pages/0", "Unable to select 0 in array /document/pages of length 0."),
        ("/document/a/*", "Cannot iterate over non-array /document/a."),
    ],
)
def test_a_missing_input_is_told_in_the_indexers_words(text: str, reason: str) -> None:
    enriched, endpoint = enrich({"a": 1, "pages": []}, inputs=[*source(text), *source("/document/a", "a")])

    assert endpoint.calls[0].body == {"a": 1}
    assert enriched.warnings == [f"Required skill input is missing. Name: text, Source: {text}. {reason}"]
    assert enriched.errors == []


def test_a_shape_that_is_missing_as_a_whole_is_a_missing_input() -> None:
    enriched, _ = enrich(
        {"a": 1}, inputs=[shape("/document", *source("/document/b", "b")), *source("/document/a", "a")]
    )

    assert enriched.warnings == [
        "Required skill input is missing. Name: shape, Source: /document. No nested input of shape has a value.",
        "Required skill input is missing. Name: b, Source: /document/b. Missing value /document/b.",
    ]


def test_a_document_without_any_input_is_an_error_and_no_call() -> None:
    enriched, endpoint = enrich({"a": 1})

    assert endpoint.calls == []
    assert enriched.document == {"a": 1}
    assert [error.partition(":")[0] for error in enriched.errors] == ["/document"]
    assert "None of the skill's inputs has a value (text; Missing value /document/text)" in enriched.errors[0]
    assert enriched.warnings == [
        "Required skill input is missing. Name: text, Source: /document/text. Missing value /document/text."
    ]


def test_a_context_that_matches_nothing_is_a_warning_and_no_call() -> None:
    enriched, endpoint = enrich({"a": 1}, context="/document/pages/*")

    assert endpoint.calls == []
    assert enriched.errors == []
    assert enriched.warnings == [
        "The skill was not executed, for its context /document/pages/* matches nothing: Missing value /document/pages."
    ]


def test_a_context_over_an_empty_array_is_nothing_to_do() -> None:
    enriched, endpoint = enrich({"pages": []}, context="/document/pages/*")

    assert endpoint.calls == []
    assert enriched == EnrichedDocument({"pages": []})


# What fails


@pytest.mark.parametrize(
    ("document", "members", "place"),
    [
        ({"text": "a", "label": None}, {}, "/document/label"),
        ({"text": "a"}, {"outputs": [{"name": "label", "targetName": "text"}]}, "/document/text"),
        ({"text": "a", "x/y": 1}, {"outputs": [{"name": "label", "targetName": "x/y"}]}, "/document/x~1y"),
        (
            {"text": ["a"]},
            {"context": "/document/text", "outputs": [{"name": "label", "targetName": "0"}]},
            "/document/text/0",
        ),
    ],
)
def test_a_node_that_exists_is_not_written_and_no_call_is_made(
    document: Any, members: dict[str, Any], place: str
) -> None:
    enriched, endpoint = enrich(document, **members)

    assert endpoint.calls == []
    assert enriched.document == document
    assert enriched.errors == [
        f"Could not execute skill, for the node {place} already exists and nodes are immutable: "
        "give the output another targetName."
    ]


def test_a_failure_names_its_node_and_leaves_the_others() -> None:
    enriched, _ = enrich(
        {"pages": ["good", "bad"]},
        lambda call: status(400) if call.body["text"] == "bad" else say({"label": 1}),
        context="/document/pages/*",
        inputs=source("/document/pages/*"),
    )

    assert enriched.document == {"pages": [{"$value": "good", "label": 1}, "bad"]}
    assert len(enriched.errors) == 1
    assert enriched.errors[0].startswith("/document/pages/1: The endpoint model answered 400")


def test_a_failure_can_be_a_warning() -> None:
    enriched, _ = enrich({"text": "a"}, lambda _: status(400), gateway={"onError": "warning"})

    assert enriched.errors == []
    assert len(enriched.warnings) == 1


def test_documents_do_not_touch_each_other() -> None:
    ready, endpoint = skill(lambda call: status(400) if call.body["text"] == "bad" else say({"label": 1}))

    enriched = run_virtual(enrich_documents(ready, [{"text": "a"}, {"text": "bad"}, {}, {"text": "b"}], 27))

    assert [bool(item.errors) for item in enriched] == [False, True, True, False]
    assert len(endpoint.calls) == 3
    assert [item.render()["document"] for item in enriched] == [
        {"text": "a", "label": 1},
        {"text": "bad"},
        {},
        {"text": "b", "label": 1},
    ]


def test_an_operator_is_refused_by_name_before_any_call() -> None:
    ready, endpoint = skill(inputs=source("=$(/document/a) + 'x'"))

    with pytest.raises(OperatorNotSupported, match=r"the operator '\+'") as refused:
        run_virtual(enrich_documents(ready, [{"a": 1}], 27))

    assert refused.value.status == 400
    assert endpoint.calls == []


def test_a_deep_path_in_a_deep_document_is_read() -> None:
    document: Any = "leaf"
    for _ in range(100):
        document = {"a": document}

    _, endpoint = enrich(document, inputs=source("/document" + "/a" * 100))

    assert endpoint.calls[0].body == {"text": "leaf"}


words = st.lists(st.text(max_size=4), max_size=5)


@settings(deadline=None, max_examples=40)
@given(st.lists(words, max_size=5))
def test_every_element_is_enriched_with_its_own_outputs(images: list[list[str]]) -> None:
    document: Any = {"images": [{"words": item} for item in images]}

    enriched, endpoint = enrich(
        document, context="/document/images/*/words/*", inputs=source("/document/images/*/words/*")
    )

    assert len(endpoint.calls) == sum(len(item) for item in images)
    assert enriched.document == {
        "images": [{"words": [{"$value": word, "label": {"text": word}} for word in item]} for item in images]
    }


# The request


def test_documents_are_read_in_order() -> None:
    assert parse_documents({"documents": [{"a": 1}, {}]}, most_documents=2) == [{"a": 1}, {}]


@pytest.mark.parametrize("body", [None, [], {}, {"documents": {}}, {"documents": None}, {"Documents": []}])
def test_what_is_no_list_of_documents_is_refused(body: Any) -> None:
    with pytest.raises(BadRequest, match=r'the body is not \{"documents":'):
        parse_documents(body, most_documents=2)


def test_a_document_that_is_no_object_is_refused_with_its_place() -> None:
    with pytest.raises(BadRequest) as refused:
        parse_documents({"documents": [{}, "x"]}, most_documents=2)

    assert refused.value.target == "documents[1]"


def test_too_many_documents_are_refused() -> None:
    with pytest.raises(PayloadTooLarge, match="3 documents in one request, at most 2 are taken") as refused:
        parse_documents({"documents": [{}] * 3}, most_documents=2)

    assert refused.value.status == 413
