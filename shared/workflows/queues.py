"""The queues that move workflows, by name. What stands in their messages is for `messages` to say."""

REFRESH_QUEUE = "workflow-refresh"
ADVANCE_QUEUE = "run-advance"
PART_QUEUE = "import-part"
EVENTS_QUEUE = "aml-events"
NOTIFY_QUEUE = "run-notify"
ANNOUNCE_QUEUE = "run-events"
"""Others read it; nothing of ours does."""
