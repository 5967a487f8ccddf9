"""How long may a request take? Everything ends by one deadline, a margin before the caller gives up."""

from shared.duration import parse_duration
from shared.errors import BadRequest
from shared.skills.definition import LONGEST_DEADLINE, SkillDefinition

HEADER = "x-bridge-deadline"
ENVELOPE_WAIT = 30.0
"""What an indexer waits unless its skill says otherwise (its `timeout` default)."""


def caller_waits(definition: SkillDefinition, header: str | None, default: float) -> float:
    """Seconds the caller waits: `gateway.deadline`, else the header, else `default`. Raises BadRequest."""
    if definition.gateway.deadline is not None:
        return definition.gateway.deadline
    if header is None:
        return min(default, LONGEST_DEADLINE)
    try:
        seconds = parse_duration(header.strip())
    except ValueError as error:
        raise BadRequest(f"the header {HEADER}: {error}", target=HEADER) from error
    if seconds <= 0:
        raise BadRequest(f"the header {HEADER} says 0 s: send how long you wait, such as PT30S", target=HEADER)
    return min(seconds, LONGEST_DEADLINE)


def usable_seconds(waits: float) -> float:
    """What is left for the work: `waits` less max(2 s, 10 %) for the way back, and never less than half of it."""
    return waits - min(max(2.0, waits / 10), waits / 2)


def waits_for(usable: float) -> float:
    """The wait whose `usable_seconds` are at least `usable`."""
    return max(usable + 2.0, usable / 0.9)
