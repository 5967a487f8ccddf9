"""Azure Machine Learning: how jobs, batch jobs and endpoints behave where the documentation is silent."""

import re
from datetime import UTC, datetime
from typing import Any

import httpx

from infra.verify.checks import Check, CheckFailed, Finding, confirmed_if, observed
from infra.verify.target import CLOUD, Target, document, job_input, told
from shared.aml.jobs import OVER

_MIB = 1024 * 1024
_SIZES = (1, 2, 4, 8, 16)
_WAITING = {
    *("NotStarted", "Starting", "Provisioning", "Preparing", "Queued", "Running", "Finalizing", "CancelRequested"),
    *("NotResponding", "Paused", "Unknown"),
}


def studio_link(target: Target) -> Finding:
    jobs = _jobs(target)
    linked = [job for job in jobs if _studio(job)]
    return confirmed_if(len(linked) == len(jobs), f"{len(linked)} of {len(jobs)} jobs have services.Studio.endpoint")


def statuses(target: Target) -> Finding:
    seen = {str(job["properties"].get("status")) for job in _jobs(target)}
    unknown = seen - OVER - _WAITING
    return confirmed_if(not unknown, f"seen: {', '.join(sorted(seen))}")


def _jobs(target: Target) -> list[dict[str, Any]]:
    path = f"{target.options.workspace}/jobs?jobType=Pipeline&listViewType=All"
    jobs = list(target.read(path).get("value", []))
    if not jobs:
        raise CheckFailed("the workspace has no pipeline jobs yet")
    return jobs


def _studio(job: dict[str, Any]) -> str:
    services = job["properties"].get("services") or {}
    return str((services.get("Studio") or {}).get("endpoint") or "")


def repeated_submission(target: Target) -> Finding:
    """The same PUT twice: one job, begun once."""
    name, body = _name("same"), _body(target)
    try:
        document(_submit(target, name, body))
        first = target.read(_path(target, name))
        second = _submit(target, name, body)
        later = target.read(_path(target, name))
        same = _created(first) == _created(later)
        return confirmed_if(second.is_success and same, f"the second answer was {told(second)}, {_same(same)}")
    finally:
        _cancel(target, name)


def changed_submission(target: Target) -> Finding:
    name, body = _name("other"), _body(target)
    try:
        document(_submit(target, name, body))
        changed = {**body["inputs"], "verify_azure": job_input("changed")}
        answer = _submit(target, name, {**body, "inputs": changed})
        kept = "verify_azure" not in (target.read(_path(target, name))["properties"].get("inputs") or {})
        return observed(f"answered {told(answer)}; the job {'kept its' if kept else 'took the new'} inputs")
    finally:
        _cancel(target, name)


def submission_without_second_token(target: Target) -> Finding:
    name = _name("plain")
    try:
        answer = target.arm("PUT", _path(target, name), body={"properties": _body(target)})
        return observed(f"answered {told(answer)}")
    finally:
        _cancel(target, name)


def _name(what: str) -> str:
    return f"brg-verify-{what}-{datetime.now(UTC):%Y%m%dT%H%M%S}"


def _path(target: Target, name: str) -> str:
    return f"{target.options.workspace}/jobs/{name}"


def _body(target: Target) -> dict[str, Any]:
    name, _, version = target.options.component.partition(":")
    return {
        "jobType": "Pipeline",
        "displayName": "verify-azure",
        "experimentName": "verify-azure",
        "componentId": f"{target.options.workspace}/components/{name}/versions/{version}",
        "jobs": {},
        "inputs": target.inputs,
        "outputs": {},
        "settings": {"force_rerun": True, "_source": "REMOTE.WORKSPACE.JOB"},
    }


def _submit(target: Target, name: str, body: dict[str, Any]) -> httpx.Response:
    token = target.token(CLOUD.machine_learning)
    return target.arm("PUT", _path(target, name), body={"properties": body}, **{"x-azureml-token": token})


def _cancel(target: Target, name: str) -> None:
    """Its answer is of no matter: a job that is over cannot be canceled."""
    target.arm("POST", f"{_path(target, name)}/cancel")


def _created(job: dict[str, Any]) -> str:
    return str((job.get("systemData") or {}).get("createdAt"))


def _same(same: bool) -> str:
    return "and the job is the one that was there" if same else "and the job was made anew"


def batch_job(target: Target) -> Finding:
    """A job of a batch endpoint, read as any job."""
    endpoint, _, job = target.options.batch_job.partition("/")
    uri = target.scoring_uri(f"{target.options.workspace}/batchEndpoints/{endpoint}")
    token = target.token(CLOUD.machine_learning)
    theirs = document(target.http.get(f"{uri.rstrip('/')}/{job}", headers={"Authorization": f"Bearer {token}"}))
    ours = target.arm("GET", _path(target, job))
    same = ours.is_success and ours.json()["properties"].get("status") == theirs["properties"].get("status")
    return confirmed_if(same, f"the endpoint says {theirs['properties'].get('status')}, the job answers {told(ours)}")


def payload_limit(target: Target) -> Finding:
    """Ever larger bodies, until one is refused before the model sees it."""
    uri = target.scoring_uri(target.options.endpoint)
    keys = document(target.arm("POST", f"{target.options.endpoint}/listKeys"))
    headers = {"Authorization": f"Bearer {keys['primaryKey']}", "Content-Type": "application/json"}
    seen = []
    for size in _SIZES:
        answer = target.http.post(uri, headers=headers, json={"text": "x" * (size * _MIB)})
        seen.append(f"{size} MiB: {answer.status_code}")
        if answer.status_code == 413:
            break
    return observed(", ".join(seen))


def wrong_key(target: Target) -> Finding:
    uri = target.scoring_uri(target.options.endpoint)
    answer = target.http.post(uri, headers={"Authorization": "Bearer none"}, json={})
    told_of = sorted(name for name in answer.headers if re.match(r"azureml|ms-azureml|x-ms|x-request", name))
    return confirmed_if(
        answer.status_code == 401, f"a wrong key is {answer.status_code}; headers: {', '.join(told_of)}"
    )


CHECKS = (
    Check(
        "studio-link",
        "a job tells its page in the studio as services.Studio.endpoint",
        "the link of a failed run would be missing",
        studio_link,
        needs=("workspace",),
    ),
    Check(
        "job-statuses",
        "jobs have no other statuses than the documented ones",
        "an unknown status is taken for a job under way: shared/aml/jobs.py",
        statuses,
        needs=("workspace",),
    ),
    Check(
        "repeated-submission",
        "the same job sent twice under one name is one job",
        "a run whose submission lost its answer could run twice: shared/aml/jobs.py looks the name up first",
        repeated_submission,
        needs=("workspace", "component"),
        writes=True,
    ),
    Check(
        "changed-submission",
        "what comes of a job that is sent again with other inputs is not known",
        "nothing: a run's inputs never change",
        changed_submission,
        needs=("workspace", "component"),
        writes=True,
    ),
    Check(
        "second-token",
        "whether a job is taken without the header x-azureml-token is not known; Microsoft's client sends it",
        "nothing: it is sent",
        submission_without_second_token,
        needs=("workspace", "component"),
        writes=True,
    ),
    Check(
        "batch-job",
        "a job that a batch endpoint began can be read and cancelled as any job",
        "runs of batch endpoints could not be cancelled, nor found after a lost answer: shared/aml/batch.py",
        batch_job,
        needs=("workspace", "batch_job"),
    ),
    Check(
        "wrong-key",
        "an endpoint answers a wrong key with 401",
        "a renewed key would not be fetched: shared/aml/scoring.py",
        wrong_key,
        needs=("endpoint",),
    ),
    Check(
        "payload-limit",
        "how large a scoring payload may be is not known; over it: 413",
        "a record over it gets its own error",
        payload_limit,
        needs=("endpoint",),
        writes=True,
    ),
)
