"""What an operator's triggers call: the configuration as a document, in and out, and its nightly copy."""

import logging
from collections.abc import Mapping
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

from shared.conditions import Conditions
from shared.logs import log_event
from shared.services.skills import SkillServices
from shared.services.workflows import WorkflowServices

if TYPE_CHECKING:
    from shared.operations.configuration import Stored
    from shared.operations.importing import Catalogs, Import
    from shared.operations.nightly import NightlyExport


logger = logging.getLogger("bridge.configuration")


class OperationServices(SkillServices, WorkflowServices):
    """Configuration as code."""

    @property
    def configuration_variables(self) -> Mapping[str, str]:
        """App settings that stand for `${…}` in an import."""
        from shared.operations.variables import SETTING_PREFIX

        found = ((name, value) for name, value in self._environment.items() if name.startswith(SETTING_PREFIX))
        return {name.removeprefix(SETTING_PREFIX): value for name, value in found}

    async def configuration(self) -> "Stored":
        """All skills, connections and workflows. Raises StorageUnavailable."""
        from shared.operations.configuration import Stored

        return Stored(await self.skills.list(), await self.connections.list(), await self.workflows.list())

    async def import_configuration(
        self, body: bytes, how: "Import", conditions: Conditions, *, dry_run: bool
    ) -> dict[str, Any]:
        """What an import does, or would do. Raises InvalidConfiguration, PreconditionFailed, and what a PUT raises."""
        from shared.operations.configuration import read_import
        from shared.operations.importing import Catalogs, Changed, apply, plan_import, render_steps

        resources = read_import(body, self.configuration_variables)
        stored = await self.configuration()
        conditions.check(stored.etag())
        steps = await plan_import(resources, stored, self._planned(stored), how)
        if not dry_run:
            catalogs = Catalogs(self.skills, self.connections, self.workflows)
            await apply(steps, catalogs, Changed(self.forget_skill, self.runs.cancel_all), how)
        done = render_steps(steps, dry_run=dry_run)
        if not dry_run:
            log_event(logger, "configuration_imported", **done["counts"])
        return done

    @cached_property
    def nightly_export(self) -> "NightlyExport":
        from shared.operations.nightly import CONTAINER, NightlyExport
        from shared.storage.blobs import BlobLargeValues
        from shared.storage.tombstones import TableTombstones

        return NightlyExport(
            BlobLargeValues(self._blobs, CONTAINER),
            self.configuration,
            TableTombstones(self._tables),
            self._reader_key_store,
            timedelta(days=self.settings.EXPORT_RETENTION_DAYS),
            self.now,
        )

    def _planned(self, stored: "Stored") -> "Catalogs":
        """Catalogs over copies of what is stored, by the same rules."""
        from shared.operations.importing import Catalogs
        from shared.operations.planned import Planned, PlannedSkills, PlannedWorkflows
        from shared.skills.catalog import SkillCatalog
        from shared.workflows.catalog import WorkflowCatalog
        from shared.workflows.connecting import ConnectionCatalog

        settings = self.settings
        skills = PlannedSkills(stored.skills, self._store.get_secret)
        workflows = PlannedWorkflows(stored.workflows)
        connections = ConnectionCatalog(
            Planned(stored.connections), self.readers, workflows, self.run_store, identity=self._tenants.identity
        )
        return Catalogs(
            SkillCatalog(skills, settings.scoring_hosts, allow_literal_keys=settings.ALLOW_LITERAL_KEYS),
            connections,
            WorkflowCatalog(workflows, connections.get, self.readers),
        )
