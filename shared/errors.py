"""One tree for every error a caller can see: what failed, and what mends it.

Rendered once, at a trigger's rim, as `{"error": {"code", "message", "target"?, "details"?}}`. A message
names cause and cure and never holds a key, a payload or a stack.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class ErrorDetail:
    """One of several things wrong with the same request."""

    code: str
    message: str
    target: str | None = None


MOST_NAMED = 20
"""Names that an error lists."""


def there_are(names: Sequence[str], otherwise: str) -> str:
    """The end of a sentence about a name that nobody has: `there are: a, b and 3 more`; `otherwise` where there is none."""
    if not names:
        return otherwise
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return f"there are: {', '.join(names[:MOST_NAMED])}{more}"


class BridgeError(Exception):
    """Something went wrong that the caller should read about."""

    code: ClassVar[str] = "InternalError"
    status: ClassVar[int] = 500
    retryable: ClassVar[bool] = False
    """The same may well succeed later, by itself."""

    def __init__(
        self,
        message: str,
        *,
        target: str | None = None,
        details: Sequence[ErrorDetail] = (),
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.target = target
        self.details = tuple(details)
        self.retry_after = retry_after
        """Seconds to wait before asking again, where that is known."""


class BadRequest(BridgeError):
    code = "BadRequest"
    status = 400


class InvalidJson(BadRequest):
    code = "InvalidJson"


class InvalidEnvelope(BadRequest):
    """The body is not the custom skill envelope `{"values": [{"recordId", "data"}]}`."""

    code = "InvalidEnvelope"


class InvalidDefinition(BadRequest):
    code = "InvalidDefinition"


class InvalidName(BadRequest):
    code = "InvalidName"


class InvalidConfiguration(BadRequest):
    """A document of skills, connections and workflows that cannot be imported; nothing of it was."""

    code = "InvalidConfiguration"


class InvalidExpression(BadRequest):
    """A path or literal of the annotation language that cannot be read."""

    code = "InvalidExpression"


class OperatorNotSupported(InvalidExpression):
    """Well-formed annotation language, but an operator, which only the indexer evaluates."""

    code = "OperatorNotSupported"


class UnsupportedApiVersion(BadRequest):
    code = "UnsupportedApiVersion"


class Unauthorized(BridgeError):
    """Whoever asks has not signed in: the message says which ways there are, never what was wrong with the one tried."""

    code = "Unauthorized"
    status = 401
    challenge: ClassVar[str] = 'Basic realm="AML Bridge", charset="UTF-8"'
    """By which Excel, Power BI and browsers know what to ask their user for."""


class Forbidden(BridgeError):
    """Who asks has signed in, and may not do this: the message names the role that may."""

    code = "Forbidden"
    status = 403


class NotFound(BridgeError):
    code = "NotFound"
    status = 404


class NotAcceptable(BridgeError):
    """Nothing that the caller takes is a form in which we answer."""

    code = "NotAcceptable"
    status = 406


class Conflict(BridgeError):
    """What is asked for does not go with how things stand."""

    code = "Conflict"
    status = 409


class Gone(BridgeError):
    """It was there, and has been dropped since."""

    code = "Gone"
    status = 410


class PreconditionFailed(BridgeError):
    code = "PreconditionFailed"
    status = 412


class PayloadTooLarge(BridgeError):
    code = "PayloadTooLarge"
    status = 413


class UnusableOutput(BridgeError):
    """What a pipeline wrote cannot become rows: the message names the file, and the line where there is one."""

    code = "UnusableOutput"
    status = 422


class NotSupported(BridgeError):
    """Well-formed, but nothing this app does."""

    code = "NotSupported"
    status = 501


class UpstreamFailed(BridgeError):
    """The endpoint behind a skill answered, but not with enrichments."""

    code = "UpstreamFailed"
    status = 502


class UpstreamThrottled(BridgeError):
    """The endpoint asked for fewer calls; the caller should send the same again later."""

    code = "UpstreamThrottled"
    status = 429
    retryable = True


class UpstreamUnavailable(BridgeError):
    code = "UpstreamUnavailable"
    status = 503
    retryable = True


class DeadlineExceeded(BridgeError):
    code = "DeadlineExceeded"
    status = 504


class StorageUnavailable(BridgeError):
    """Table storage did not answer, or refused us."""

    code = "StorageUnavailable"
    status = 503
    retryable = True


class NewerVersion(BridgeError):
    """What lies in storage, or in a queue, was written by a release of this app that came later."""

    code = "NewerVersion"
    status = 503
    retryable = True


class OlderVersion(BridgeError):
    """What lies in storage, or in a queue, was written by a release before the one before this one."""

    code = "OlderVersion"
    status = 500


class AccountInUse(BridgeError):
    """The data account belongs to another app: the message says to which, and how that is changed."""

    code = "AccountInUse"
    status = 503
    retryable = True


class NotReady(BridgeError):
    """What was asked for is being made, and takes longer than a request should."""

    code = "NotReady"
    status = 503
    retryable = True


class WorkspaceForbidden(BridgeError):
    """Azure does not let this app's identity do it: the message names the missing right and the command that grants it."""

    code = "WorkspaceForbidden"
    status = 403


class WorkspaceRefused(BridgeError):
    """Azure Machine Learning does not take what was sent, and will not later."""

    code = "WorkspaceRefused"
    status = 422


class WorkspaceUnavailable(BridgeError):
    """Azure Machine Learning or its Resource Manager is busy, down or silent."""

    code = "WorkspaceUnavailable"
    status = 503
    retryable = True


class NotificationFailed(BridgeError):
    """The address that a workflow's runs are told to did not take the word of one."""

    code = "NotificationFailed"
    status = 502
    retryable = True

    def __init__(self, message: str, *, is_final: bool = False) -> None:
        """`is_final`: the receiver wants no more of it."""
        super().__init__(message)
        self.is_final = is_final


class ConfigurationError(BridgeError):
    """An app setting that cannot be used: the message names it and what it may hold."""

    code = "ConfigurationError"
    status = 500
