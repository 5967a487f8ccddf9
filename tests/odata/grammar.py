"""What `odata-query`, a parser that nobody here wrote, takes for a filter."""

import re

from odata_query import ast
from odata_query.grammar import ODataLexer, ODataParser

_LIST_OF_ONE = re.compile(r" in \(([^(),]*)\)")


def parse(text: str) -> ast._Node:
    """Raises ODataException. Lists of one item get the comma that its authors want there, and OData does not have; -INF,
    which is a name with a sign to them, gets parentheses."""
    lexer, parser = ODataLexer(), ODataParser()
    found = parser.parse(lexer.tokenize(_LIST_OF_ONE.sub(r" in (\1,)", text).replace("-INF", "(-INF)")))
    assert isinstance(found, ast._Node)
    return found
