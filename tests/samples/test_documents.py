"""Are the demo's documents real, readable and one a language?"""

import re
from collections import Counter

import pytest

from samples.language.documents import DECLARATION, Document, broken_document, documents, excerpt


@pytest.fixture(scope="module")
def declarations() -> list[Document]:
    return documents()


def test_there_are_at_least_sixty_languages_each_once(declarations: list[Document]) -> None:
    languages = [document.language for document in declarations]

    assert len(languages) >= 60
    assert languages == sorted(DECLARATION)
    assert max(Counter(document.id for document in declarations).values()) == 1


def test_every_document_is_plain_text_of_a_realistic_length(declarations: list[Document]) -> None:
    for document in declarations:
        assert 2_000 <= len(document.content) <= 3_000, document.id
        assert not re.search(r"</?\w+[ >]|&\w+;", document.content), document.id
        assert document.content == document.content.strip()
        assert re.fullmatch(r"[a-z]{2}", document.language)
        assert document.name


def test_two_readings_are_the_same(declarations: list[Document]) -> None:
    assert documents() == declarations


def test_the_text_starts_with_title_and_preamble(declarations: list[Document]) -> None:
    english = next(document for document in declarations if document.language == "en")

    assert english.name == "English"
    assert english.content.startswith(
        "Universal Declaration of Human Rights\nPreamble\nWhereas recognition of the inherent dignity"
    )


def test_an_excerpt_ends_with_a_whole_paragraph() -> None:
    assert excerpt(["aaaa", "bbbb", "cccc"], about=6) == "aaaa\nbbbb"


def test_the_broken_document_has_the_members_of_the_others(declarations: list[Document]) -> None:
    assert broken_document().keys() == declarations[0].to_json().keys()
    assert not str(broken_document()["content"]).strip()
