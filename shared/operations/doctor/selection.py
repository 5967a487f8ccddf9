"""What shall be examined? All of it, some groups (`?only=`), or one connection, workflow or skill."""

from collections.abc import Mapping
from dataclasses import dataclass

from shared.errors import BadRequest
from shared.operations.doctor.findings import Group

_NAMED = {"connection": Group.CONNECTIONS, "workflow": Group.WORKFLOWS, "skill": Group.SKILLS}


@dataclass(frozen=True, slots=True)
class Selection:
    groups: frozenset[Group] = frozenset(Group)
    connection: str | None = None
    workflow: str | None = None
    skill: str | None = None

    @classmethod
    def parse(cls, query: Mapping[str, str]) -> "Selection":
        """A name without `only` chooses its own group alone. Raises BadRequest, with the groups there are."""
        names = {member: query[member] for member in _NAMED if query.get(member)}
        only = [part.strip() for part in query.get("only", "").split(",") if part.strip()]
        unknown = [part for part in only if part not in list(Group)]
        if unknown:
            raise BadRequest(
                f"only={unknown[0][:40]!r} is no group of checks; there are: {', '.join(Group)}", target="only"
            )
        chosen = {Group(part) for part in only} | {_NAMED[member] for member in names}
        return cls(frozenset(chosen or Group), **names)

    def name_of(self, group: Group) -> str | None:
        """The one that was asked for in a group."""
        return {Group.CONNECTIONS: self.connection, Group.WORKFLOWS: self.workflow, Group.SKILLS: self.skill}.get(group)
