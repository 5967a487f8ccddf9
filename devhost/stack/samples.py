"""The samples, loaded through the API as a user would."""

from devhost.stack.client import BridgeClient
from devhost.stack.config import StackConfig
from samples.language import skill


def load_samples(client: BridgeClient, config: StackConfig) -> None:
    """The skill `language` on the sample endpoint. Safe to repeat."""
    client.call("PUT", f"/api/skills/{skill.NAME}", skill.definition(config.scoring_port))
