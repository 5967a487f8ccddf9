"""What the members of an answer are: common to all rooms. Only the API's description is made of these; what renders
an answer stays where it is, and a test holds both against each other.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel


class Shape(BaseModel):
    """camelCase on the wire, nothing beside its fields; what stands below a field describes it."""

    model_config = ConfigDict(extra="forbid", alias_generator=to_camel, use_attribute_docstrings=True)


ETAG = Field(alias="@odata.etag")


class ErrorDetail(Shape):
    """One of several things wrong with the same request."""

    code: str
    message: str
    target: str | None = None
    """Where: a member's path such as `inputs[0].source`."""


class Error(Shape):
    """What failed, and what mends it. Never a stack, a key or a payload."""

    code: str
    """Stable, also in the header `x-ms-error-code`."""
    message: str
    target: str | None = None
    """The member, parameter or header that it is about."""
    details: list[ErrorDetail] = []
    """All faults, where there is more than one."""


class ErrorAnswer(Shape):
    error: Error


class Health(Shape):
    status: str
    """`healthy`, or `unhealthy` with status 503."""
    version: str
    instance_id: str
    functions: list[str]
    """Those registered."""


class DoctorCheck(Shape):
    """What one check found."""

    name: str
    """Its group and what it looks at, as in `connections.right`; docs/doctor.md lists them."""
    subject: str
    """A setting, a queue, or the name of a connection, workflow or skill, with what of it after a colon."""
    status: Literal["ok", "warning", "failed", "skipped"]
    """`skipped`: what it needs failed, or it does not apply."""
    message: str
    cure: str | None = None
    command: str | None = None
    """For a shell: what mends it, or shows what to mend."""


class DoctorReport(Shape):
    status: Literal["ok", "warning", "failed"]
    """The worst there is."""
    checks: list[DoctorCheck]
    duration_ms: int


class PoisonMessage(Shape):
    """A message that was given up after five attempts."""

    id: str
    queue: str
    code: str
    """The error of the last attempt."""
    message: str
    first_at: str
    last_at: str
    count: int
    body: str
    """Its first 200 characters."""


class PoisonMessages(Shape):
    value: list[PoisonMessage]
