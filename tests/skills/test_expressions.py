"""The annotation language, read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import InvalidExpression, OperatorNotSupported
from shared.skills.expressions import (
    Array,
    Expression,
    Literal,
    Path,
    Token,
    Wildcard,
    check_source,
    location,
    parse_path,
    parse_source,
)

EACH, WHOLE = Wildcard.EACH, Wildcard.WHOLE
names = st.text(st.characters(exclude_categories=()), min_size=1, max_size=20).filter(lambda name: name != "*")


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("/document", ()),
        ("/document/content", ("content",)),
        ("/document/pages/*/text", ("pages", EACH, "text")),
        ("/document/pages/0", ("pages", "0")),
        ("/document/images/*/words/#", ("images", EACH, "words", WHOLE)),
        ("/document/a~1b/~0/~2", ("a/b", "~", "#")),
        ("/document/~01", ("~1",)),
        ("/document/ spaces /é", (" spaces ", "é")),
        ("/document/a*b/#c", ("a*b", "#c")),
    ],
)
def test_a_path_is_its_tokens(text: str, tokens: tuple[Token, ...]) -> None:
    assert parse_path(text) == Path(tokens)


@given(st.lists(names | st.sampled_from([EACH]), max_size=8))
def test_a_path_that_is_written_reads_back(tokens: list[Token]) -> None:
    path = Path(tuple(tokens))

    assert parse_path(str(path)) == path


@given(st.text())
def test_any_text_is_a_path_or_refused(text: str) -> None:
    try:
        path = parse_path("/document/" + text)
    except InvalidExpression:
        return
    assert parse_path(str(path)) == path


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "does not start with /document"),
        ("document/a", "does not start with /document"),
        ("/Document/a", "does not start with /document"),
        ("/documents", "does not start with /document"),
        ("/", "does not start with /document"),
        ("/document/", "empty name at position 10"),
        ("/document/a//b", "empty name at position 12"),
        ("/document/a~", "~ at position 11 that is no escape"),
        ("/document/ok~0/a~0b~3", "~ at position 19 that is no escape"),
        ("/document/#/a", "# may only stand at the end"),
        ("/document" + "/a" * 101, "at most 100 names"),
        ("/document/" + "a" * 5000, "at most 4096 characters"),
    ],
)
def test_what_is_no_path_is_refused_with_the_place(text: str, says: str) -> None:
    with pytest.raises(InvalidExpression, match=r"path") as refused:
        parse_path(text)

    assert says in refused.value.message
    assert len(refused.value.message) < 400


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("=42", 42),
        ("=-5", -5),
        ("= 5", 5),
        (" =5 ", 5),
        ("=2.45E-4", 2.45e-4),
        ("=.5", 0.5),
        ("=1e3", 1000.0),
        ("=true", True),
        ("=false", False),
        ("= null", None),
        ("='a'", "a"),
        ('="a"', "a"),
        ("='é\\u00e9'", "éé"),
        ("='it\\'s'", "it's"),
        ("='say \"hi\"'", 'say "hi"'),
        ('="it\'s"', "it's"),
        ('="a\\"b"', 'a"b'),
        ("='a\\\\'", "a\\"),
        ("='a\\nb'", "a\nb"),
        ("=''", ""),
        ("='1+1'", "1+1"),
    ],
)
def test_a_literal_is_its_value(text: str, value: object) -> None:
    assert parse_source(text) == Literal(value)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "expression"),
    [
        ("/document/a", Path(("a",))),
        ("=$(/document/a)", Path(("a",))),
        ("= $( /document/a/* ) ", Path(("a", EACH))),
        ("=[]", Array(())),
        ("=[1, 'x', $(/document/p/0)]", Array((Literal(1), Literal("x"), Path(("p", "0"))))),
        ("=[[1],[true,null]]", Array((Array((Literal(1),)), Array((Literal(True), Literal(None)))))),
    ],
)
def test_an_expression_is_its_tree(text: str, expression: Expression) -> None:
    assert parse_source(text) == expression


@pytest.mark.parametrize(
    ("text", "operator"),
    [
        ("=!true", "!"),
        ("=-$(/document/a)", "-"),
        ("=$(/document/a) * 2", "*"),
        ("=$(/document/a) / 2", "/"),
        ("=$(/document/a) % 2", "%"),
        ("='a' + 'b'", "+"),
        ("=1-2", "-"),
        ("=1 < 2", "<"),
        ("=1 <= 2", "<="),
        ("=1 > 2", ">"),
        ("=1 >= 2", ">="),
        ("=$(/document/a) == null", "=="),
        ("=1 != 2", "!="),
        ("=true && false", "&&"),
        ("=true || false", "||"),
        ("=true ^ false", "^"),
        ("=true ? 1 : 2", "?"),
        ("=(1)", "("),
        ("=[1 + 2]", "+"),
    ],
)
def test_an_operator_is_the_indexers_alone(text: str, operator: str) -> None:
    with pytest.raises(OperatorNotSupported, match="evaluated by the indexer only") as refused:
        parse_source(text)

    assert f"the operator {operator!r}" in refused.value.message
    check_source(text)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("=", "expected a value at position 1 of '=', found the end"),
        ("=[1,]", "found ']'"),
        ("=[1 2]", "expected , or ] at position 4"),
        ("=[1", "found the end"),
        ("==1", "expected a value at position 1"),
        ("=1 2", "expected the end at position 3"),
        ("=foo", "'foo' at position 1 is no value; strings stand in quotes"),
        ("='a", "expected a value"),
        ("='\\x41'", "its escapes are those of JSON"),
        ("='\\u12'", "its escapes are those of JSON"),
        ("=$(/document/a", "$( at position 1 is not closed"),
        ("=$(document/a)", "does not start with /document"),
        ("=1e999", "is too large"),
        ("=" + "[" * 40 + "]" * 40, "at most 32 levels deep"),
        ("=" + "1" * 5000, "at most 4096 characters"),
    ],
)
def test_what_is_no_expression_is_refused(text: str, says: str) -> None:
    with pytest.raises(InvalidExpression) as refused:
        check_source(text)

    assert not isinstance(refused.value, OperatorNotSupported)
    assert says in refused.value.message


def test_a_location_is_escaped() -> None:
    assert location("document", "a/b", 0, "c~#", EACH) == "/document/a~1b/0/c~0~2/*"
