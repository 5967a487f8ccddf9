"""The custom skill: records in, enrichments out, and for every record that failed the reason.

Rules (design of the envelope route): only declared inputs are sent; a missing input is a warning, none at all an
error without a call; a record has data or errors, never both; and a batch that only met a busy endpoint is
answered 503, so that the indexer sends it again.
"""

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from shared.errors import (
    BadRequest,
    BridgeError,
    DeadlineExceeded,
    UpstreamFailed,
    UpstreamThrottled,
    UpstreamUnavailable,
)
from shared.logs import log_event
from shared.skills.contract import Record, RecordResult
from shared.skills.definition import OnError, SkillDefinition, SkillInput
from shared.skills.failures import Failure, Kind, sentence
from shared.skills.gateway import Outcome, Skill, score
from shared.skills.payloads import Inputs, Outputs
from shared.wire import Json

_SHORTEST_RETRY_AFTER = 1.0

logger = logging.getLogger("bridge.skills")


@dataclass(frozen=True, slots=True)
class Prepared:
    """What will be sent for one record, or why nothing will."""

    inputs: Inputs | Failure
    warnings: Sequence[str] = ()


def prepare(data: dict[str, Json], definition: SkillDefinition, reasons: dict[str, str] | None = None) -> Prepared:
    """The declared inputs of `data`. `reasons` says, by input name, why one has no value."""
    inputs = {item.name: data[item.name] for item in definition.inputs if item.name in data}
    missing = [item for item in definition.inputs if inputs.get(item.name) is None]
    warnings = [missing_input(item, (reasons or {}).get(item.name)) for item in missing]
    if len(missing) == len(definition.inputs):
        return Prepared(Failure(Kind.NO_INPUTS, facts=_why_none(missing, reasons or {})), warnings if reasons else ())
    return Prepared(inputs, warnings)


def _why_none(missing: Sequence[SkillInput], reasons: dict[str, str]) -> dict[str, str]:
    told = "".join(f"; {reason.rstrip('.')}" for reason in dict.fromkeys(reasons.values()))
    return {"inputs": ", ".join(item.name for item in missing), "reasons": told}


def missing_input(item: SkillInput, reason: str | None = None) -> str:
    """The indexer's own words for an input without a value."""
    text = f"Required skill input is missing. Name: {item.name}, Source: {item.source or item.source_context}"
    return f"{text}. {reason}" if reason else text


async def score_prepared(
    skill: Skill, prepared: Sequence[Prepared], seconds: float, request_id: str = ""
) -> list[Outcome]:
    """An outcome for each; what has no inputs is not called."""
    batch = [item.inputs for item in prepared if not isinstance(item.inputs, Failure)]
    scored = iter(await score(skill, batch, seconds, request_id))
    return [_not_called(skill, item.inputs) if isinstance(item.inputs, Failure) else next(scored) for item in prepared]


def _not_called(skill: Skill, failure: Failure) -> Failure:
    skill.stats.not_called(failure.kind.code)
    return failure


def _refuse_busy_batch(skill: Skill, outcomes: Sequence[Outcome]) -> None:
    failures = [outcome for outcome in outcomes if isinstance(outcome, Failure)]
    if not failures or len(failures) < len(outcomes) or not _is_load({failure.kind for failure in failures}):
        return
    said = next((failure for failure in failures if failure.kind not in _UNFINISHED), failures[0])
    raise UpstreamUnavailable(
        f"No record was scored, so send the batch again later: {describe(skill, said)}",
        retry_after=max(_retry_after(failure) for failure in failures),
    )


_UNFINISHED = frozenset({Kind.DEADLINE, Kind.NOT_REACHED})


def _is_load(kinds: set[Kind]) -> bool:
    """Whether nothing but load kept the records from being scored. What the deadline ended counts as load where others
    were pushed back, for it may have waited for its turn at the limiter all the while; alone, only if no call began."""
    told = kinds - _UNFINISHED
    return all(kind.busy for kind in told) if told else Kind.DEADLINE not in kinds


def _retry_after(failure: Failure) -> float:
    return float(ceil(max(failure.retry_after or 0.0, _SHORTEST_RETRY_AFTER)))


def describe(skill: Skill, failure: Failure) -> str:
    """The sentence for `failure`, with as much of the endpoint's words as the definition allows."""
    return sentence(failure, skill.endpoint.name, skill.definition.gateway.error_detail)


async def enrich_records(
    skill: Skill, records: Sequence[Record], seconds: float, request_id: str = ""
) -> list[RecordResult]:
    """The answer to a custom skill request, in its order. Raises UpstreamUnavailable for a batch to send again."""
    prepared = [
        Prepared(Failure(Kind.INVALID_DATA)) if record.data is None else prepare(record.data, skill.definition)
        for record in records
    ]
    outcomes = await score_prepared(skill, prepared, seconds, request_id)
    _log_outcomes(skill, outcomes, request_id)
    _refuse_busy_batch(skill, outcomes)
    return [
        _result(skill, record, item, outcome) for record, item, outcome in zip(records, prepared, outcomes, strict=True)
    ]


def _log_outcomes(skill: Skill, outcomes: Sequence[Outcome], request_id: str) -> None:
    """One line a batch: an operator sees what failed without asking the indexer."""
    failed = Counter(outcome.kind.code for outcome in outcomes if isinstance(outcome, Failure))
    counts = ",".join(f"{code}:{times}" for code, times in failed.most_common())
    level = logging.WARNING if failed else logging.INFO
    enriched = len(outcomes) - failed.total()
    log_event(
        logger,
        "batch_scored",
        level,
        skill=skill.name,
        request=request_id or None,
        records=len(outcomes),
        enriched=enriched,
        failed=counts or None,
    )


def _result(skill: Skill, record: Record, prepared: Prepared, outcome: Outcome) -> RecordResult:
    if not isinstance(outcome, Failure):
        return RecordResult(record.record_id, outcome, warnings=prepared.warnings)
    message = describe(skill, outcome)
    if skill.definition.gateway.on_error is OnError.WARNING:
        return RecordResult(record.record_id, {}, warnings=[*prepared.warnings, message])
    return RecordResult(record.record_id, {}, errors=[message], warnings=prepared.warnings)


async def score_inputs(skill: Skill, inputs: Json, seconds: float, request_id: str = "") -> Outputs:
    """The bare AML contract: an inputs object in, the outputs object out. Raises the BridgeError for its status.

    The caller is an AML skill and retries itself, so we do not, unless the definition says how often.
    """
    if not isinstance(inputs, dict):
        raise BadRequest('the body is not an object of the skill\'s inputs, such as {"text": "…"}')
    if "retries" not in skill.definition.gateway.model_fields_set:
        skill = skill.with_retries(0)
    [outcome] = await score_prepared(skill, [prepare(inputs, skill.definition)], seconds, request_id)
    if isinstance(outcome, Failure):
        raise _bare_error(skill, outcome)
    return outcome


_BARE_ERRORS: dict[int, type[BridgeError]] = {
    400: BadRequest,
    429: UpstreamThrottled,
    502: UpstreamFailed,
    503: UpstreamUnavailable,
    504: DeadlineExceeded,
}


def _bare_error(skill: Skill, failure: Failure) -> BridgeError:
    error = _BARE_ERRORS[failure.kind.bare_status]
    retry_after = _retry_after(failure) if failure.kind.busy else None
    return error(describe(skill, failure), retry_after=retry_after)
