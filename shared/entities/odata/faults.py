"""How is a fault in a query told? What was expected at which position, or what is not done here."""

from shared.errors import BadRequest, NotSupported


def malformed(option: str, at: int, expected: str) -> BadRequest:
    """The text of `option` cannot be read from `at` (counted from 0) on."""
    return BadRequest(f"{option} cannot be read at position {at}: expected {expected}", target=option)


def wrong(option: str, at: int, message: str) -> BadRequest:
    """It can be read, but says nothing that makes sense."""
    return BadRequest(f"{option} at position {at}: {message}", target=option)


def unsupported(option: str, what: str) -> NotSupported:
    return NotSupported(f"{option}: {what} is not supported here", target=option)
