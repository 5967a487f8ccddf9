"""What reads and keeps rows: entities, their snapshots, who may read, who was erased."""

import secrets
import time
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING

from shared.services.clients import Clients

if TYPE_CHECKING:
    from shared.entities.csv_exports import CsvExports
    from shared.entities.freshness import Freshness
    from shared.entities.parquet_reader import ParquetReader
    from shared.entities.reader_keys import ReaderKeyCatalog
    from shared.entities.reading import DataStores
    from shared.entities.recent import RecentEntities
    from shared.entities.retention import SnapshotStores
    from shared.entities.sign_in import SignIn
    from shared.entities.tombstones import ErasedNow, Tombstones
    from shared.storage.reader_keys import TableReaderKeys


class DataServices(Clients):
    """Entities and their readers."""

    @cached_property
    def data(self) -> "DataStores":
        """What the data plane reads."""
        from shared.entities.parquet_reader import ParquetReader
        from shared.entities.reading import DataStores
        from shared.entities.tombstones import VisibleRows

        stores = self.snapshots
        erased = self._tombstones.erased
        reader = ParquetReader(stores.large, erased)
        csv = self._csv_exports(reader)
        return DataStores(
            self._recent, VisibleRows(stores.rows, erased), stores.large, reader, csv, self._recent.forget
        )

    @cached_property
    def snapshots(self) -> "SnapshotStores":
        """Wherever entities and their snapshots lie."""
        from shared.entities.retention import SnapshotStores
        from shared.storage.blobs import BlobLargeValues
        from shared.storage.entities import TableEntities, TableRejects
        from shared.storage.rows import TableRows

        tables = self._tables
        return SnapshotStores(
            TableEntities(tables, lambda name: self._recent.forget(name)),  # noqa: PLW0108  # they are made of each other
            TableRows(tables, self._row_plane),
            BlobLargeValues(self._blobs),
            TableRejects(tables),
        )

    @cached_property
    def freshness(self) -> "Freshness":
        """Of what is published."""
        from shared.entities.freshness import Freshness

        return Freshness(self.snapshots.entities, self.now)

    @cached_property
    def sign_in(self) -> "SignIn":
        """The data plane's door."""
        from shared.entities.sign_in import Rules, SignIn

        settings = self.settings
        rules = Rules(settings.BRIDGE_AUTH == "on", settings.WEBSITE_AUTH_ENABLED, settings.own_reader_key)
        return SignIn(rules, lambda: self._reader_key_store, clock=time.monotonic, now=self.now)

    @cached_property
    def reader_keys(self) -> "ReaderKeyCatalog":
        from shared.entities.reader_keys import ReaderKeyCatalog

        return ReaderKeyCatalog(
            self._reader_key_store, random=lambda: secrets.token_urlsafe(32), revoked=self.sign_in.forget
        )

    @cached_property
    def _recent(self) -> "RecentEntities":
        """The pointers, for reading."""
        from shared.entities.recent import RecentEntities

        return RecentEntities(self.snapshots.entities, time.monotonic)

    def _csv_exports(self, reader: "ParquetReader") -> "CsvExports":
        from shared.entities.csv_exports import CsvExports
        from shared.storage.links import BlobLinks

        lifetime = timedelta(minutes=self.settings.CSV_LINK_MINUTES)
        links = BlobLinks(self._blobs, lifetime, by_identity=not self.settings.data_connection)
        return CsvExports(reader, self.snapshots.large, links, lifetime=lifetime, erased=self._tombstones.erased)

    @property
    def erased(self) -> "ErasedNow":
        """Whose rows nobody sees."""
        return self._tombstones.erased

    @cached_property
    def _tombstones(self) -> "Tombstones":
        from shared.entities.tombstones import Tombstones
        from shared.storage.tombstones import TableTombstones

        return Tombstones(TableTombstones(self._tables), time.monotonic)

    @cached_property
    def _reader_key_store(self) -> "TableReaderKeys":
        from shared.storage.reader_keys import TableReaderKeys

        return TableReaderKeys(self._tables)
