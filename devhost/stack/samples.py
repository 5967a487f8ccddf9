"""The samples, loaded through the API as a user would."""

from devhost.stack.client import BridgeClient
from devhost.stack.config import StackConfig
from samples.customer_value.datastore import store_transactions
from samples.language import skill


def load_samples(client: BridgeClient, config: StackConfig) -> None:
    """The skill `language` on the sample endpoint, and the transactions of the sample pipeline in its datastore. Safe
    to repeat."""
    store_transactions(config.storage)
    client.call("PUT", f"/api/skills/{skill.NAME}", skill.definition(config.scoring_port))
