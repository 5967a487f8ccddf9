"""Where may a skill's calls go? Scoring addresses, the allow-list of their hosts, and ARM ids of endpoints."""

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

DEFAULT_SCORING_HOSTS = (
    "inference.ml.azure.com",
    "inference.ml.azure.us",
    "inference.ml.azure.cn",
)
_LONGEST_URI = 2048
_HOST = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)(\.(?!-)[a-z0-9_-]{1,63}(?<!-))*")
"""Letters, digits, hyphens: what one parser takes for the end of a host and another for a part of it is refused."""
_RESOURCE_ID = re.compile(
    r"/?subscriptions/(?P<subscription>[^/]+)"
    r"/resourceGroups/(?P<resource_group>[^/]+)"
    r"(?:/providers)?/Microsoft\.MachineLearningServices"
    r"/workspaces/(?P<workspace>[^/]+)"
    r"/(?:onlineEndpoints|services)/(?P<endpoint>[^/]+)/?",
    re.IGNORECASE,
)
_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_RESOURCE_GROUP = re.compile(r"[-\w._()]{0,89}[-\w_()]")
_WORKSPACE = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_-]{1,32}")
_ENDPOINT = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_-]{0,254}")
_RESOURCE_ID_FORM = (
    "/subscriptions/{guid}/resourceGroups/{group}/providers/Microsoft.MachineLearningServices"
    "/workspaces/{workspace}/onlineEndpoints/{endpoint}"
)


@dataclass(frozen=True, slots=True)
class EndpointId:
    """An online endpoint's place in Azure Resource Manager."""

    subscription: str
    resource_group: str
    workspace: str
    endpoint: str

    @classmethod
    def parse(cls, text: str) -> "EndpointId":
        """Read any form Azure ever documented: with or without a leading `/` and `/providers`, any case,
        `onlineEndpoints` or the older `services`. Raises ValueError that shows the form."""
        match = _RESOURCE_ID.fullmatch(text.strip())
        if match is None:
            raise ValueError(f"not the resource id of an online endpoint; the form is {_RESOURCE_ID_FORM}")
        found = cls(**match.groupdict())
        for part, pattern, value in (
            ("subscription", _GUID, found.subscription),
            ("resource group", _RESOURCE_GROUP, found.resource_group),
            ("workspace", _WORKSPACE, found.workspace),
            ("endpoint", _ENDPOINT, found.endpoint),
        ):
            if not pattern.fullmatch(value):
                raise ValueError(
                    f"the {part} in it, {value[:100]!r}, is not a valid name; the form is {_RESOURCE_ID_FORM}"
                )
        return found

    @property
    def workspace_path(self) -> str:
        return (
            f"/subscriptions/{self.subscription}/resourceGroups/{self.resource_group}"
            f"/providers/Microsoft.MachineLearningServices/workspaces/{self.workspace}"
        )

    @property
    def path(self) -> str:
        """The canonical id."""
        return f"{self.workspace_path}/onlineEndpoints/{self.endpoint}"

    @property
    def key(self) -> str:
        """The same for every spelling of one id."""
        return self.path.lower()


@dataclass(frozen=True, slots=True)
class ScoringHosts:
    """Which hosts a payload and a key may be sent to (settings SCORING_HOSTS, ALLOW_LOOPBACK_SCORING), or the word of a
    run's end (NOTIFY_HOSTS)."""

    allowed: Sequence[str] = DEFAULT_SCORING_HOSTS
    loopback: bool = False
    """Plain http to 127.0.0.1, localhost and [::1], for a laptop."""
    setting: str = "SCORING_HOSTS"
    """The one that lists them."""
    form: str = "the address of a scoring endpoint, such as https://name.region.inference.ml.azure.com/score"

    def check(self, uri: str) -> None:
        """Raises ValueError, with cause and cure, unless `uri` is a place that calls may go to."""
        if len(uri) > _LONGEST_URI or not all("!" <= character <= "~" for character in uri):
            raise ValueError(f"a URI has at most {_LONGEST_URI} characters, all of them ASCII, no spaces among them")
        try:
            parts = urlsplit(uri)
            host, port = (parts.hostname or "").rstrip("."), parts.port
        except ValueError as error:
            raise ValueError(f"not a URI: {error}") from error
        if parts.username is not None or parts.password is not None or "\\" in uri:
            raise ValueError("a URI with a user name, a password or a backslash is refused: a key has its own place")
        if parts.fragment or port == 0 or not host:
            raise ValueError(f"not {self.form}")
        if self.loopback and _is_loopback(host) and parts.scheme in ("http", "https"):
            return
        if parts.scheme != "https":
            raise ValueError(f"only https is allowed, not {parts.scheme or 'a relative address'}")
        if _is_address(host):
            raise ValueError(
                f"an address literal is refused: name the host, and allow it in the setting {self.setting}"
            )
        if not _HOST.fullmatch(host):
            raise ValueError(f"{host!r} is not the name of a host: it has letters, digits, hyphens and dots")
        if any(label.startswith("xn--") for label in host.split(".")):
            raise ValueError(
                f"an internationalized host name (xn--…) is refused: hosts in {self.setting} have plain names"
            )
        if not any(_is_under(host, suffix) for suffix in self.allowed):
            raise ValueError(
                f"the host {host} is not on the allow-list; to allow it, add it to the app setting {self.setting} "
                f"(now: {', '.join(self.allowed) or 'none'})"
            )


def origin(uri: str) -> tuple[str, str, int]:
    """Scheme, host and port: a stored key stays only while these stay."""
    parts = urlsplit(uri)
    return (
        parts.scheme.lower(),
        (parts.hostname or "").rstrip("."),
        parts.port or (443 if parts.scheme == "https" else 80),
    )


def _is_under(host: str, suffix: str) -> bool:
    """A suffix counts at a label boundary only: `evilinference.ml.azure.com` is not under `inference.ml.azure.com`."""
    suffix = suffix.strip().strip(".").lower()
    return bool(suffix) and (host == suffix or host.endswith(f".{suffix}"))


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _is_address(host: str) -> bool:
    """Also the forms that resolvers still read as IPv4: `2130706433`, `0x7f.1`, `127.1`."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return bool(re.fullmatch(r"(0x[0-9a-f]*|[0-9]+)(\.(0x[0-9a-f]*|[0-9]+)){0,3}", host))
    return True


def is_loopback_url(url: str) -> bool:
    """Whether `url` names this machine."""
    try:
        return _is_loopback(urlsplit(url).hostname or "")
    except ValueError:
        return False


def is_host_under(url: str, domain: str) -> bool:
    """Whether the host of `url` is `domain` or below it."""
    try:
        return _is_under((urlsplit(url).hostname or "").rstrip("."), domain)
    except ValueError:
        return False


def one_spelling(uri: str) -> str:
    """The same for every spelling of one address: scheme and host in lower case, the port written out."""
    scheme, host, port = origin(uri)
    parts = urlsplit(uri)
    return f"{scheme}://{host}:{port}{parts.path or '/'}{f'?{parts.query}' if parts.query else ''}"
