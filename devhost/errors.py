"""What stops the host at start."""


class StartError(Exception):
    """The host cannot run this app; the message is the whole story, for the one at the console."""
