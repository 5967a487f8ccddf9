"""How does a job come from NotStarted to its end? One task a job takes it through every status.

NotStarted → Preparing (inputs are fetched) → Queued → Running (steps) → Finalizing (outputs are stored)
           → Completed | Failed | (CancelRequested →) Canceled
"""

import asyncio
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from simulator.arm.registry import find_component
from simulator.events import Events
from simulator.jobs.models import Failure, Job, Status
from simulator.jobs.pipeline import BadPipeline, Execution, is_folder, run_pipeline, with_defaults
from simulator.jobs.plans import Progression
from simulator.jobs.steps import StepFailed
from simulator.jobs.storage import DataMissing, NoStorage, Storage, fetch_file, fetch_folder, store_output
from simulator.jobs.uris import BadDataUri, DataUri

NO_OUTPUT_HERE = "AzureFile"


@dataclass
class Runner:
    storage: Storage
    python: str
    events: Events
    progression: Progression = field(default_factory=Progression)

    async def run(self, job: Job) -> None:
        """Never raises but when it is cancelled; then the job's processes are gone, and its status is the caller's."""
        folder = Path(tempfile.mkdtemp(prefix=f"{job.name[:40]}-"))
        try:
            await self._run(job, folder)
        except StepFailed as error:
            await self._fail(job, error.failure)
        except (BadPipeline, BadDataUri, DataMissing, NoStorage) as error:
            await self._fail(job, Failure(str(error)))
        except Exception as error:  # noqa: BLE001  a job that cannot run is a failed job
            await self._fail(job, Failure(f"{type(error).__name__}: {error}"))
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    async def cancel(self, job: Job) -> None:
        """A job that is CancelRequested, to its end: kills the step that runs."""
        await self.events.status_changed(job)
        if job.task is not None:
            job.task.cancel()
            await asyncio.wait([job.task])
        await asyncio.sleep(self.progression.cancel_requested)
        await self.enter(job, Status.CANCELED)

    async def enter(self, job: Job, status: Status) -> None:
        job.enter(status)
        await self.events.status_changed(job)

    async def _run(self, job: Job, folder: Path) -> None:
        await self._pass(job, Status.NOT_STARTED, self.progression.not_started)
        execution = Execution(job.workspace, folder, self.python)
        await self.enter(job, Status.PREPARING)
        inputs = await self._fetch_inputs(job, folder)
        await self._linger(job, self.progression.preparing)
        await self._pass(job, Status.QUEUED, self.progression.queued)
        await self.enter(job, Status.RUNNING)
        await self._stop_responding(job)
        await self._execute(job, execution, inputs)
        await self._linger(job, self.progression.running + self._extra(job))
        await self.enter(job, Status.FINALIZING)
        if job.plan.fault != "noOutput":
            await self._store_outputs(job, execution)
        await self._linger(job, self.progression.finalizing)
        await self.enter(job, Status.COMPLETED)

    async def _pass(self, job: Job, status: Status, seconds: float) -> None:
        await self.enter(job, status)
        await self._linger(job, seconds)

    async def _linger(self, job: Job, seconds: float) -> None:
        """In the status it has: for a time, or until it is told to go on."""
        stuck = job.plan.fault == "queuedForEver" and job.status == Status.QUEUED
        if stuck or self.progression.manual:
            await job.advanced.wait()
            job.advanced.clear()
        else:
            await asyncio.sleep(seconds)

    async def _stop_responding(self, job: Job) -> None:
        if job.plan.fault == "notResponding":
            await self.enter(job, Status.NOT_RESPONDING)
            await asyncio.sleep(job.plan.seconds)
            await self.enter(job, Status.RUNNING)

    def _extra(self, job: Job) -> float:
        return 0 if job.plan.fault == "notResponding" else job.plan.seconds

    async def _execute(self, job: Job, execution: Execution, inputs: dict[str, str]) -> None:
        if job.plan.fault == "fail":
            raise StepFailed(Failure(job.plan.message))
        nodes, spec = pipeline_of(job)
        values = with_defaults(inputs, spec)
        outputs = self._output_places(job, execution, spec)
        if job.plan.files is None:
            await run_pipeline(execution, nodes, values, outputs)
        else:
            write_planned(job, execution, outputs, values)

    def _output_places(self, job: Job, execution: Execution, spec: Mapping[str, Any]) -> dict[str, Path]:
        """Of all outputs the pipeline has; those without a uri get the default place in the default datastore."""
        given = job.properties.get("outputs") or {}
        places = {}
        for name in {**spec.get("outputs", {}), **given}:
            type_ = given.get(name, {}).get("jobOutputType") or spec["outputs"][name].get("type", "")
            places[name] = execution.place(name, type_)
            default = f"azureml://datastores/workspaceblobstore/paths/azureml/{job.name}/{name}/"
            execution.stores[places[name]] = given.get(name, {}).get("uri") or default
        return places

    async def _fetch_inputs(self, job: Job, folder: Path) -> dict[str, str]:
        """Literals as they are, data as local paths."""
        values = {}
        for name, given in (job.properties.get("inputs") or {}).items():
            if given["jobInputType"] == "literal":
                values[name] = given["value"]
                continue
            target = folder / "inputs" / name
            target.mkdir(parents=True)
            uri = DataUri.parse(given["uri"], job.workspace)
            container = job.workspace.datastores[uri.datastore.lower()].container
            fetch = fetch_folder if is_folder(given["jobInputType"]) else fetch_file
            values[name] = str(await fetch(self.storage, container, uri.path, target))
        return values

    async def _store_outputs(self, job: Job, execution: Execution) -> None:
        for source, reference in execution.stores.items():
            uri = DataUri.parse(reference, job.workspace)
            datastore = job.workspace.datastores.get(uri.datastore.lower())
            if datastore is None:
                raise BadDataUri(f"there is no datastore {uri.datastore}")
            if datastore.type == NO_OUTPUT_HERE:
                raise BadDataUri(
                    f"outputs cannot go to the datastore {datastore.name}, which is of type {datastore.type}"
                )
            await store_output(self.storage, datastore.container, uri.path, source)

    async def _fail(self, job: Job, failure: Failure) -> None:
        job.failure = failure
        await self.enter(job, Status.FAILED)


def pipeline_of(job: Job) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """The nodes, and what declares inputs and outputs: the component's specification; nothing for inline jobs."""
    reference = job.properties.get("componentId")
    if reference is None:
        return job.properties.get("jobs") or {}, {}
    component = find_component(job.workspace, str(reference))
    if component is None:
        raise BadPipeline(f"there is no component {reference}")
    return component.spec.get("jobs", {}), component.spec


def write_planned(job: Job, execution: Execution, outputs: Mapping[str, Path], values: Mapping[str, str]) -> None:
    """What the plan has, in the first output; without one, where the parameters `output_…` lead."""
    files = job.plan.files or {}
    if outputs:
        place = next(iter(outputs.values()))
    else:
        place = execution.place("planned", "uri_file" if len(files) == 1 else "uri_folder")
        path, datastore = values.get("output_path", ""), values.get("output_datastore", "")
        execution.stores[place] = f"azureml://datastores/{datastore}/paths/{path}"
    for name, text in files.items():
        target = place / name if place.is_dir() else place
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding=job.plan.encoding, newline="")
