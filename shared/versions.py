"""May this release read what lies there? One rule for rows, queue messages and documents in blobs.

Whatever is kept says in which version of its kind it was written: rows in their column `V`, all else in the member `v`. The
version grows only where the release before could not read what is written; a member or a column that is merely new leaves it.
Read are the present version and the one before. Newer ones are refused until this app is upgraded; what this release does
not know in what it may read is ignored, and kept where it writes again.
"""

from shared.errors import NewerVersion, OlderVersion

UNMARKED = 0
"""What was written without a version counts as the one before the first."""


def check_version(version: object, known: int, what: str) -> None:
    """`known`: the version that this release writes; `what`: the thing, for people. Raises NewerVersion, OlderVersion."""
    found = UNMARKED if version is None else version
    if type(found) is not int or found > known:
        raise NewerVersion(
            f"{what} was written by a newer version of this app (version {str(found)[:20]}, this one reads {known} and the "
            "one before): upgrade this app; while a roll-out is under way, its new processes take over"
        )
    if found < known - 1:
        raise OlderVersion(
            f"{what} was written by a version of this app that is too old (version {found}, this one reads {known} and the "
            "one before): deploy the release in between first, and let it run"
        )
