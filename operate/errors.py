"""What ends a command, in a sentence for whoever ran it."""


class RestoreFailed(Exception):
    """The message says what to do."""
