"""Whether this app may change what lies in its data account."""

from functools import cached_property
from typing import TYPE_CHECKING

from shared.services.clients import Clients

if TYPE_CHECKING:
    from shared.operations.ownership import AccountOwner


class OwnershipServices(Clients):
    """The account's owner."""

    @cached_property
    def account(self) -> "AccountOwner":
        from shared.operations.ownership import AccountOwner
        from shared.storage.ownership import TableOwnership

        settings = self.settings
        store = self._given_ownership or TableOwnership(self._tables)
        return AccountOwner(store, settings.app_id, take_over=settings.BRIDGE_TAKE_OVER, now=self.now)
