"""What can go wrong with one record, and the one sentence that says so: cause, then cure.

`Kind` is the table: every failure of a scoring call is one of its rows.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

from shared.skills.definition import ErrorText

LONGEST_TEXT = 200


class _Row(NamedTuple):
    code: str
    sentence: str
    """`{endpoint}` is its name; other fields are in the failure's `facts`."""
    retryable: bool = False
    """Worth another attempt by itself; a failure with a status is retried by the skill's retryStatuses instead."""
    busy: bool = False
    """The endpoint was not asked or pushed back: the same batch may well succeed later."""
    rejected: bool = False
    """The model refused what it was sent: one record of a batch may be the cause, so halves are tried."""
    bare_status: int = 502
    """What the bare contract (`/score`) answers."""


class Kind(Enum):
    # The record itself
    NO_INPUTS = _Row(
        "NoInputs",
        "None of the skill's inputs has a value ({inputs}{reasons}), so the endpoint was not called: "
        "check the sources of the skill's inputs in the skillset.",
        bare_status=400,
    )
    INVALID_DATA = _Row(
        "InvalidData",
        "The record's data is not an object: send the skill's inputs as members of data.",
        bare_status=400,
    )
    # The endpoint's status
    REJECTED = _Row(
        "InputRejected",
        "{endpoint} answered {status}{text}: the model does not accept this input, so compare the skill's "
        "inputs with its scoring script.",
        rejected=True,
    )
    UNAUTHORIZED = _Row(
        "EndpointUnauthorized",
        "{endpoint} answered 401: {credential_cure}.",
    )
    FORBIDDEN = _Row(
        "EndpointForbidden",
        "{endpoint} answered 403: the caller lacks the right to score, so give this app's identity the role "
        "AzureML Data Scientist on the workspace (az role assignment create), or check the endpoint's "
        "network access.",
    )
    NOT_FOUND = _Row(
        "EndpointNotFound",
        "{endpoint} answered 404: no deployment has traffic or the address is wrong, so check the traffic split, "
        "the skill's uri and gateway.deployment.",
    )
    MODEL_TIMEOUT = _Row(
        "ModelTimeout",
        "{endpoint} answered 408: the model took longer than the deployment's request_timeout_ms, so "
        "raise that or send smaller inputs.",
        rejected=True,
    )
    CONFLICT = _Row(
        "EndpointBusyWithChange",
        "{endpoint} answered 409: an operation on it is in progress, so run the indexer again when it has ended.",
    )
    TOO_LARGE = _Row(
        "InputTooLarge",
        "{endpoint} answered 413: the input is too large for it, so split the text before this skill or "
        "lower maxRecordsPerCall.",
        rejected=True,
    )
    THROTTLED = _Row(
        "EndpointThrottled",
        "{endpoint} answered {outer}429 (too many calls at once){attempts}: add instances or raise its concurrency, "
        "lower degreeOfParallelism, or give the gateway more time.",
        busy=True,
        bare_status=429,
    )
    UNAVAILABLE = _Row(
        "EndpointUnavailable",
        "{endpoint} answered {outer}503 (no capacity){attempts}: wait for it to scale up, or add instances.",
        busy=True,
        bare_status=503,
    )
    BAD_GATEWAY = _Row(
        "EndpointBadGateway",
        "{endpoint} answered {outer}502{attempts}: its container crashed or restarts, so read the deployment's logs "
        "(az ml online-deployment get-logs).",
    )
    GATEWAY_TIMEOUT = _Row(
        "EndpointGatewayTimeout",
        "{endpoint} answered {outer}504{attempts}: "
        "the model was too slow for the endpoint's own limit, so raise its request timeout.",
    )
    MODEL_FAILED = _Row(
        "ModelFailed",
        "{endpoint} answered {outer}{status}{reason}{text}: the model's code failed on this input, so read the deployment's logs "
        "(az ml online-deployment get-logs) and mend the scoring script or the input.",
        rejected=True,
    )
    PLATFORM_ERROR = _Row(
        "EndpointFailed",
        "{endpoint} answered {status}{text}: Azure Machine Learning failed, so run the indexer again and "
        "read the endpoint's logs if it stays.",
        rejected=True,
    )
    REDIRECT = _Row(
        "EndpointRedirected",
        "{endpoint} answered {status}, a redirect, which is not followed: "
        "put the endpoint's own scoring URI into the skill's uri.",
    )
    # No answer
    DNS = _Row(
        "HostNotFound",
        "The host of {endpoint} cannot be resolved: "
        "check the skill's uri for a typing error, and the network's DNS if the endpoint is private.",
        retryable=True,
    )
    TLS = _Row(
        "TlsFailed",
        "No secure connection to {endpoint}: its certificate or TLS version is not accepted, so check the "
        "host in the skill's uri and its certificate.",
    )
    CONNECT = _Row(
        "ConnectFailed",
        "No connection to {endpoint}: check that it is running, its address, and the network rules "
        "between this app and it.",
        retryable=True,
    )
    DROPPED = _Row(
        "ConnectionDropped",
        "{endpoint} closed the connection before its answer was complete: "
        "read the deployment's logs for a crash or a restart.",
        retryable=True,
    )
    TIMED_OUT = _Row(
        "AttemptTimedOut",
        "{endpoint} gave no complete answer within the skill's timeout of {timeout} s: "
        "raise timeout, make the model faster, or send smaller inputs.",
        bare_status=504,
    )
    DEADLINE = _Row(
        "DeadlineReached",
        "The deadline of {deadline} s was reached before {endpoint} had answered: send fewer records per batch, "
        "raise degreeOfParallelism, or give more time (header x-bridge-deadline, gateway.deadline).",
        bare_status=504,
    )
    NOT_REACHED = _Row(
        "NotReached",
        "The deadline of {deadline} s was reached before it was this record's turn at {endpoint}: send fewer records per batch, "
        "raise degreeOfParallelism, or give more time (header x-bridge-deadline, gateway.deadline).",
        busy=True,
        bare_status=504,
    )
    CLOSED = _Row(
        "LimiterClosed",
        "{endpoint} gave no answer {silent} times in a row, so it is only probed, once every {probe} s: check that it runs; "
        "calls go on by themselves when a probe succeeds.",
        busy=True,
        bare_status=503,
    )
    SPACED_OUT = _Row(
        "EndpointOverloaded",
        "{endpoint} pushed back or timed out so often that calls to it are spaced out, and no turn was left before the "
        "deadline: send the batch again later, and add instances or lower degreeOfParallelism.",
        busy=True,
        bare_status=503,
    )
    PAUSED = _Row(
        "EndpointPaused",
        "{endpoint} asked for no calls for another {wait} s (Retry-After), longer than the caller waits: "
        "send the batch again later.",
        busy=True,
        bare_status=503,
    )
    # An answer that is none
    CONTENT_TYPE = _Row(
        "NotJson",
        "{endpoint} answered with content type {content_type}, which is not application/json: "
        "make the scoring script return a JSON object.",
        rejected=True,
    )
    INVALID_JSON = _Row(
        "InvalidJsonAnswer",
        "{endpoint} answered with invalid JSON: make the scoring script return a JSON object.",
        rejected=True,
    )
    NOT_AN_OBJECT = _Row(
        "NotAnObject",
        "{endpoint} answered with a JSON {shape} where an object is expected: make the scoring script return an object "
        "with the skill's outputs as members.",
        rejected=True,
    )
    JSON_STRING = _Row(
        "AnswerIsString",
        "{endpoint} answered with a string that holds JSON: return the object itself from the scoring script instead of json.dumps, "
        "or set gateway.unwrapString.",
        rejected=True,
    )
    ANSWER_TOO_LARGE = _Row(
        "AnswerTooLarge",
        "{endpoint} answered with more than {limit} bytes, and the rest was not read: return only the skill's outputs, "
        "or raise the app setting MAX_SCORING_ANSWER_BYTES.",
        rejected=True,
    )
    NO_PREDICTIONS = _Row(
        "NoPredictions",
        "{endpoint} answered without a list of predictions, which the skill's gateway.payload asks for: make the scoring "
        "script return an array, one item per record and in order, or an object with that array as predictions.",
        rejected=True,
    )
    OUTPUT_MISSING = _Row(
        "OutputMissing",
        "The answer of {endpoint} lacks the output {output}: "
        "name the outputs of the skill as the scoring script names them.",
    )
    WRONG_COUNT = _Row(
        "WrongCount",
        "{endpoint} answered with {got} predictions for {sent} records: "
        "make the scoring script answer one per record, in order.",
        rejected=True,
    )
    # Before the call
    HOST_REFUSED = _Row("AddressRefused", "The address of {endpoint} is refused: {cause}.")
    SETTING_MISSING = _Row(
        "KeySettingMissing",
        "The app setting {setting} with the key of {endpoint} has no usable value: set it, or mend the skill's key.",
    )
    KEY_MISSING = _Row(
        "KeyMissing",
        "The key of {endpoint} is no longer stored: save the skill again with its key.",
    )
    TOKEN_FAILED = _Row(
        "IdentityFailed",
        "This app's identity got no token for {audience}: "
        "give the function app a managed identity, and set AZURE_CLIENT_ID if it is user-assigned.",
        retryable=True,
    )
    ARM_FORBIDDEN = _Row(
        "EndpointReadForbidden",
        "This app's identity may not {action} {endpoint}: give it the role AzureML Data Scientist on the workspace "
        "(az role assignment create --assignee <identity> --role 'AzureML Data Scientist' --scope {scope}).",
    )
    ARM_NOT_FOUND = _Row(
        "EndpointDoesNotExist",
        "Azure Resource Manager does not know {endpoint}: check the skill's resourceId ({scope}).",
    )
    ARM_FAILED = _Row(
        "ResourceManagerFailed",
        "Azure Resource Manager answered {status} for {endpoint}: "
        "run the indexer again; if it stays, check the resourceId and Azure's status.",
        retryable=True,
    )
    ARM_REFUSED = _Row(
        "ResourceManagerRefused",
        "Azure Resource Manager answered {status} when asked to {action} {endpoint}: "
        "check the skill's resourceId and the app setting AML_API_VERSION.",
    )
    ARM_THROTTLED = _Row(
        "ResourceManagerThrottled",
        "Azure Resource Manager throttles the look-up of {endpoint}: run the indexer again later.",
        busy=True,
        retryable=True,
        bare_status=503,
    )
    REGION = _Row(
        "RegionMismatch",
        "{endpoint} is in {location}, not in {region}: set the skill's region to {location}, or leave it out.",
    )
    AUTH_MODE = _Row(
        "AuthModeUnsupported",
        "{endpoint} has the authentication mode {mode}, which is not served here: "
        "recreate it with key, aml_token or aad_token.",
    )

    @property
    def code(self) -> str:
        return self.value.code

    @property
    def retryable(self) -> bool:
        return self.value.retryable

    @property
    def busy(self) -> bool:
        return self.value.busy

    @property
    def rejected(self) -> bool:
        return self.value.rejected

    @property
    def bare_status(self) -> int:
        return self.value.bare_status


_BY_STATUS = {
    401: Kind.UNAUTHORIZED,
    403: Kind.FORBIDDEN,
    404: Kind.NOT_FOUND,
    408: Kind.MODEL_TIMEOUT,
    409: Kind.CONFLICT,
    413: Kind.TOO_LARGE,
    429: Kind.THROTTLED,
    502: Kind.BAD_GATEWAY,
    503: Kind.UNAVAILABLE,
    504: Kind.GATEWAY_TIMEOUT,
}
_MODEL_STATUSES = {
    429: Kind.THROTTLED,
    503: Kind.UNAVAILABLE,
    502: Kind.BAD_GATEWAY,
    504: Kind.GATEWAY_TIMEOUT,
}


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a call gave no enrichment."""

    kind: Kind
    status: int | None = None
    """What the endpoint answered, or the model behind a 424."""
    wrapped: bool = False
    """The status came inside a 424."""
    text: str | None = None
    """The `message` of a JSON answer."""
    retry_after: float | None = None
    """Seconds the endpoint asked for."""
    facts: Mapping[str, object] = field(default_factory=dict)
    attempts: int = 1

    @property
    def pushed_back(self) -> bool:
        """The endpoint took the call but not the work: 429 or 503, bare or inside a 424."""
        return self.kind in (Kind.THROTTLED, Kind.UNAVAILABLE)


def status_failure(
    status: int,
    *,
    text: str | None = None,
    reason: str | None = None,
    inner: int | None = None,
    retry_after: float | None = None,
) -> Failure:
    """The failure for a status that is no success; `inner` and `reason` are what a 424 says of the model."""
    if status == 424:
        kind = _MODEL_STATUSES.get(inner or 0, Kind.MODEL_FAILED)
        facts: dict[str, object] = {
            "outer": "424 for the model's " if inner else "",
            "reason": f" ({_clean(reason)})" if reason else "",
        }
        return Failure(
            kind, inner or status, wrapped=inner is not None, text=text, retry_after=retry_after, facts=facts
        )
    if 300 <= status < 400:
        return Failure(Kind.REDIRECT, status)
    fallback = Kind.REJECTED if status < 500 else Kind.PLATFORM_ERROR
    return Failure(_BY_STATUS.get(status, fallback), status, text=text, retry_after=retry_after)


class _Facts(dict[str, object]):
    """A fact that is not known is left out of the sentence: writing a message must never fail."""

    def __missing__(self, key: str) -> str:
        return ""


def sentence(failure: Failure, endpoint: str, detail: ErrorText = ErrorText.TEXT) -> str:
    """One sentence, cause then cure. `detail` says how much of the endpoint's answer it repeats."""
    if detail is ErrorText.NONE and failure.status is not None:
        return _capitalized(
            f"{endpoint} did not enrich this record ({failure.kind.code}): look the code up in this app's documentation of errors."
        )
    text = _clean(failure.text) if detail is ErrorText.TEXT and failure.text else ""
    facts = _Facts(
        {"credential_cure": "set its present key in the skill", "status": failure.status, **failure.facts},
        endpoint=endpoint,
        text=f' ("{text}")' if text else "",
        attempts=f" at the last of {failure.attempts} attempts" if failure.attempts > 1 else "",
    )
    if detail is not ErrorText.TEXT:
        facts["reason"] = ""
    return _capitalized(str(failure.kind.value.sentence).format_map(facts))


def _capitalized(text: str) -> str:
    """`text` with a capital first letter: an endpoint's name often begins a sentence."""
    return text[:1].upper() + text[1:]


def _clean(text: str) -> str:
    """The first characters of a message, on one line."""
    return " ".join(
        "".join(character if character.isprintable() else " " for character in text[: 4 * LONGEST_TEXT]).split()
    )[:LONGEST_TEXT]
