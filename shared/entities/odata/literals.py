"""Which value does a literal have? Each primitive literal of OData 4.0 that a column can be compared with."""

from datetime import UTC, datetime
from math import isfinite

from shared.entities.odata.faults import wrong
from shared.entities.odata.tokens import Sort, Token
from shared.entities.values import Value

NOT_FINITE = {"NaN": float("nan"), "INF": float("inf"), "-INF": -float("inf")}
LEAST_INT64, MOST_INT64 = -(2**63), 2**63 - 1
_MIDNIGHT = "T00:00:00Z"
_WORDS: dict[str, Value | None] = {"null": None, "true": True, "false": False}


def is_word(name: str) -> bool:
    """Whether a name is a literal."""
    return name.lower() in _WORDS or name in NOT_FINITE


def is_literal(token: Token) -> bool:
    if token.sort is Sort.NAME:
        return is_word(token.text)
    return token.sort in (Sort.TEXT, Sort.NUMBER, Sort.GUID, Sort.TIME, Sort.DATE)


def read(token: Token, option: str) -> Value | None:
    """Dates are their midnight in UTC, guids are texts. Raises BadRequest for a value that there is not."""
    match token.sort:
        case Sort.TEXT:
            return unquoted(token.text)
        case Sort.GUID:
            return token.text
        case Sort.NUMBER:
            return _number(token, option)
        case Sort.TIME | Sort.DATE:
            return _time(token, option)
    return NOT_FINITE[token.text] if token.text in NOT_FINITE else _WORDS[token.text.lower()]


def unquoted(text: str) -> str:
    """Without its quotes, and doubled ones single."""
    return text[1:-1].replace("''", "'")


def _number(token: Token, option: str) -> int | float:
    text = token.text
    if text in NOT_FINITE:
        return NOT_FINITE[text]
    if text.lstrip("+-").isdigit():
        number = int(text) if len(text) < 40 else MOST_INT64 + 1
        if not LEAST_INT64 <= number <= MOST_INT64:
            raise wrong(option, token.at, f"{text[:50]} is beyond Edm.Int64; a Double has a point: {text[:20]}….0")
        return number
    if not isfinite(float(text)):
        raise wrong(option, token.at, f"{text[:50]} is beyond Edm.Double")
    return float(text)


def _time(token: Token, option: str) -> datetime:
    """UTC; without a zone it is taken as UTC, as in an import; digits below the microsecond are cut."""
    text = (token.text if token.sort is Sort.TIME else token.text + _MIDNIGHT).upper()
    text = text.replace(" ", "+")
    try:
        time = datetime.fromisoformat(text)
        return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except (ValueError, OverflowError):
        raise wrong(option, token.at, f"there is no time {token.text}") from None
