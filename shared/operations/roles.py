"""Who may call which function? Each has one role, whoever checks it: a function key, or an app role of Microsoft Entra.

A key of the Functions host opens one function, and the host checks it. Somebody who has signed in through Easy Auth has app
roles; those are checked here. Source: the claims that App Service makes of a token, "Work with user identities".
"""

import base64
import binascii
from collections.abc import Mapping
from enum import StrEnum

from shared.errors import Forbidden
from shared.wire import parse_json


class Role(StrEnum):
    """By the name of its app role in Microsoft Entra."""

    READER = "Bridge.Reader"
    """Looks: definitions, runs, entities, rows."""
    OPERATOR = "Bridge.Operator"
    """Keeps what is defined running."""
    ADMIN = "Bridge.Admin"
    """Defines, hands out keys, erases."""
    SKILL = "Bridge.Skill"
    """An indexer: sends records, and may do nothing else."""


OPEN = frozenset({"health", "home", "api_page"})
"""Anybody may call these."""

ROLES: Mapping[str, Role] = {
    function: role
    for role, functions in {
        Role.READER: (
            "list_skills",
            "get_skill",
            "web_api_skill_of",
            "skill_stats",
            "get_consent",
            "list_connections",
            "get_connection",
            "list_pipelines",
            "list_datastores",
            "list_workflows",
            "get_workflow",
            "list_workflow_runs",
            "list_runs",
            "get_run",
            "get_entities",
            "get_entity",
            "get_rejects",
            "get_data",
            "get_instance_data",
            "query_data",
            "get_customer",
            "look_up_customers",
            "list_reader_keys",
            "get_reader_key",
            "list_poison",
            "export_configuration",
            "api_document",
        ),
        Role.OPERATOR: (
            "refresh_workflow",
            "cancel_run",
            "publish_run",
            "discard_run",
            "import_run",
            "roll_back_entity",
            "unpin_entity",
            "redrive_poison",
            "doctor",
        ),
        Role.ADMIN: (
            "put_skill",
            "delete_skill",
            "put_connection",
            "delete_connection",
            "put_workflow",
            "patch_workflow",
            "delete_workflow",
            "delete_entity",
            "erase_customer",
            "lift_tombstone",
            "create_reader_key",
            "revoke_reader_key",
            "import_configuration",
            "rebuild_entity",
        ),
        Role.SKILL: ("call_skill", "score_skill", "enrich_skill"),
    }.items()
    for function in functions
}
"""By the function's name."""

INCLUDES: Mapping[Role, frozenset[Role]] = {
    Role.READER: frozenset({Role.READER}),
    Role.OPERATOR: frozenset({Role.READER, Role.OPERATOR}),
    Role.ADMIN: frozenset({Role.READER, Role.OPERATOR, Role.ADMIN}),
    Role.SKILL: frozenset({Role.SKILL}),
}


def check_role(function: str, principal: str) -> None:
    """For one who signed in, by the header `X-MS-CLIENT-PRINCIPAL`. Raises Forbidden, which names the role it takes."""
    needed = ROLES.get(function, Role.ADMIN)
    held = roles_of(principal)
    if any(needed in INCLUDES[role] for role in held):
        return
    enough = [str(role) for role, included in INCLUDES.items() if needed in included]
    having = f"has {', '.join(held)}" if held else "has none of this app's roles"
    raise Forbidden(
        f"this takes the app role {' or '.join(enough)}, and who signed in {having}: assign it in Microsoft Entra, "
        "under this app's enterprise application, and sign in anew"
    )


def roles_of(principal: str) -> tuple[Role, ...]:
    """Those of ours; none where the header cannot be read. `principal` is Base64 of JSON with `claims` of `typ` and `val`."""
    try:
        found = parse_json(base64.b64decode(principal, validate=True))
    except (binascii.Error, ValueError):
        return ()
    if not isinstance(found, dict) or not isinstance(claims := found.get("claims"), list):
        return ()
    # App Service gives some claims other names than the token has, and says here which one it gave to roles.
    kinds = ("roles", found.get("role_typ") or "roles")
    values = [claim.get("val") for claim in claims if isinstance(claim, dict) and claim.get("typ") in kinds]
    return tuple(role for role in Role if role in values)
