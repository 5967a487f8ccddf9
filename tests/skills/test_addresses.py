"""Where calls may go."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.skills.addresses import EndpointId, ScoringHosts, is_host_under, is_loopback_url, origin

GUID = "0f1e2d3c-0000-1111-2222-333344445555"
CANONICAL = (
    f"/subscriptions/{GUID}/resourceGroups/rg-1/providers/Microsoft.MachineLearningServices"
    "/workspaces/ws_1/onlineEndpoints/ep-1"
)
HOSTS = ScoringHosts()
LAPTOP = ScoringHosts(loopback=True)


@pytest.mark.parametrize(
    "text",
    [
        CANONICAL,
        CANONICAL[1:],
        f"{CANONICAL}/",
        f"  {CANONICAL}\n",
        CANONICAL.replace("/providers", ""),
        CANONICAL.replace("/providers", "")[1:],
        CANONICAL.replace("onlineEndpoints", "onlineendpoints"),
        CANONICAL.replace("onlineEndpoints", "services"),
        CANONICAL.lower(),
        CANONICAL.upper(),
        CANONICAL.replace("resourceGroups", "resourcegroups"),
        f"subscriptions/{GUID}/resourceGroups/rg-1/Microsoft.MachineLearningServices/workspaces/ws_1/onlineendpoints/ep-1",
    ],
)
def test_every_form_of_a_resource_id_is_the_same_endpoint(text: str) -> None:
    endpoint = EndpointId.parse(text)

    assert endpoint.key == CANONICAL.lower()
    assert endpoint.path.lower() == CANONICAL.lower()
    assert EndpointId.parse(endpoint.path) == endpoint


def test_a_resource_id_keeps_its_spelling() -> None:
    assert EndpointId.parse(CANONICAL).path == CANONICAL
    assert EndpointId.parse(CANONICAL).workspace_path == CANONICAL.rpartition("/onlineEndpoints")[0]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "not the resource id"),
        ("https://model.westeurope.inference.ml.azure.com/score", "not the resource id"),
        (CANONICAL.replace("onlineEndpoints", "batchEndpoints"), "not the resource id"),
        (CANONICAL.replace("MachineLearningServices", "Search"), "not the resource id"),
        (f"{CANONICAL}/deployments/blue", "not the resource id"),
        (f"/{CANONICAL}", "not the resource id"),
        (f"{CANONICAL}?a=b", "the endpoint in it"),
        (CANONICAL.replace(GUID, "abc"), "the subscription in it, 'abc'"),
        (CANONICAL.replace("rg-1", ".."), "the resource group in it"),
        (CANONICAL.replace("rg-1", "a%2Fb"), "the resource group in it"),
        (CANONICAL.replace("ws_1", "w"), "the workspace in it"),
        (CANONICAL.replace("ep-1", "-ep"), "the endpoint in it"),
        (CANONICAL.replace("ep-1", "e" * 256), "the endpoint in it"),
    ],
)
def test_what_is_no_endpoint_is_refused_with_the_form(text: str, says: str) -> None:
    with pytest.raises(ValueError, match="the form is /subscriptions/") as refused:
        EndpointId.parse(text)

    assert says in str(refused.value)
    assert len(str(refused.value)) < 400


@pytest.mark.parametrize(
    "uri",
    [
        "https://model.westeurope.inference.ml.azure.com/score",
        "HTTPS://MODEL.WestEurope.Inference.ML.Azure.com/score",
        "https://model.westeurope.inference.ml.azure.com:443/score?a=b",
        "https://model.westeurope.inference.ml.azure.com./score",
        "https://model.usgov.inference.ml.azure.us/score",
        "https://model.china.inference.ml.azure.cn/score",
        "https://inference.ml.azure.com",
    ],
)
def test_hosts_of_azure_ml_are_allowed(uri: str) -> None:
    HOSTS.check(uri)
    LAPTOP.check(uri)


@pytest.mark.parametrize(
    ("uri", "says"),
    [
        ("http://model.inference.ml.azure.com/score", "only https is allowed, not http"),
        ("ftp://model.inference.ml.azure.com/score", "only https is allowed, not ftp"),
        ("//model.inference.ml.azure.com/score", "only https is allowed, not a relative address"),
        ("https://contoso.com/score", "the host contoso.com is not on the allow-list"),
        ("https://evilinference.ml.azure.com/score", "is not on the allow-list"),
        ("https://inference.ml.azure.com.evil.com/score", "is not on the allow-list"),
        ("https://ml.azure.com/score", "is not on the allow-list"),
        ("https://xn--a.inference.ml.azure.com/score", "an internationalized host name (xn--…) is refused"),
        ("https://127.0.0.1/score", "an address literal is refused"),
        ("https://127.1/score", "an address literal is refused"),
        ("https://0x7f.1/score", "an address literal is refused"),
        ("https://0X7F000001/score", "an address literal is refused"),
        ("https://2130706433/score", "an address literal is refused"),
        ("https://0177.0.0.1/score", "an address literal is refused"),
        ("https://10.0.0.4./score", "an address literal is refused"),
        ("https://[::1]/score", "an address literal is refused"),
        ("https://[::ffff:10.0.0.1]/score", "an address literal is refused"),
        ("https://[fe80::1%25eth0]/score", "an address literal is refused"),
        ("https://user@model.inference.ml.azure.com/score", "a user name, a password or a backslash"),
        ("https://user:secret@model.inference.ml.azure.com/score", "a user name, a password or a backslash"),
        ("https://@model.inference.ml.azure.com/score", "a user name, a password or a backslash"),
        ("https://model.inference.ml.azure.com@evil.com/score", "a user name, a password or a backslash"),
        ("https://evil.com\\.inference.ml.azure.com/score", "a user name, a password or a backslash"),
        ("https://evil.com%2F.inference.ml.azure.com/score", "is not the name of a host"),
        ("https://evil.com;.inference.ml.azure.com/score", "is not the name of a host"),
        ("https://a..inference.ml.azure.com/score", "is not the name of a host"),
        ("https://-a.inference.ml.azure.com/score", "is not the name of a host"),
        ("https://a<b.inference.ml.azure.com/score", "is not the name of a host"),
        (f"https://{'a' * 64}.inference.ml.azure.com/score", "is not the name of a host"),
        ("https://model.inference.ml.azure.com/score#top", "not the address of a scoring endpoint"),
        ("https://model.inference.ml.azure.com:0/score", "not the address of a scoring endpoint"),
        ("https:///score", "not the address of a scoring endpoint"),
        ("score", "not the address of a scoring endpoint"),
        ("", "not the address of a scoring endpoint"),
        ("https://model.inference.ml.azure.com:99999/score", "not a URI"),
        ("https://model.inference.ml.azure.com:x/score", "not a URI"),
        ("https://[::1/score", "not a URI"),
        ("https://modèle.inference.ml.azure.com/score", "all of them ASCII"),
        ("https://model.inference.ml.azure.com/a b", "no spaces"),
        ("https://model.inference.ml.azure.com/\tx", "no spaces"),
        ("https://model.inference.ml.azure.com/\n", "no spaces"),
        ("https://model.inference.ml.azure.com/" + "a" * 2048, "at most 2048 characters"),
        ("http://127.0.0.1:5001/score", "only https is allowed"),
        ("http://localhost/score", "only https is allowed"),
    ],
)
def test_every_other_address_is_refused_with_the_reason(uri: str, says: str) -> None:
    with pytest.raises(ValueError, match=r".") as refused:
        HOSTS.check(uri)

    assert says in str(refused.value)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    "uri",
    [
        "http://127.0.0.1:5001/score",
        "http://localhost:5001/score",
        "http://[::1]:5001/score",
        "https://127.0.0.1/score",
        "http://LOCALHOST/score",
    ],
)
def test_a_laptop_may_call_itself(uri: str) -> None:
    LAPTOP.check(uri)
    assert is_loopback_url(uri)


@pytest.mark.parametrize(
    "uri",
    [
        "http://10.0.0.1/score",
        "http://0.0.0.0/score",
        "http://169.254.169.254/metadata",
        "http://localhost.evil.com/score",
        "http://127.1/score",
        "http://model.inference.ml.azure.com/score",
        "ftp://127.0.0.1/score",
    ],
)
def test_a_laptop_may_call_nothing_else_over_http(uri: str) -> None:
    with pytest.raises(ValueError, match=r"only https|not the"):
        LAPTOP.check(uri)


@pytest.mark.parametrize("allowed", [["count-things.com"], [" .Count-Things.com. "], ["other.com", "count-things.com"]])
def test_the_setting_names_domains_however_they_are_written(allowed: list[str]) -> None:
    hosts = ScoringHosts(allowed)

    hosts.check("https://contoso.count-things.com/score")
    hosts.check("https://count-things.com/score")
    with pytest.raises(ValueError, match="SCORING_HOSTS"):
        hosts.check("https://mycount-things.com/score")


@pytest.mark.parametrize("allowed", [[], [""], ["."]])
def test_an_empty_list_allows_nothing(allowed: list[str]) -> None:
    with pytest.raises(ValueError, match="not on the allow-list"):
        ScoringHosts(allowed).check("https://contoso.com/score")


def test_the_refusal_of_a_host_names_the_setting_and_what_it_has() -> None:
    with pytest.raises(ValueError, match=r"SCORING_HOSTS \(now: none\)"):
        ScoringHosts([]).check("https://contoso.com/score")
    with pytest.raises(ValueError, match=r"SCORING_HOSTS \(now: a.com, b.com\)"):
        ScoringHosts(["a.com", "b.com"]).check("https://contoso.com/score")


@given(st.text(st.characters(codec="ascii"), max_size=20))
def test_only_hosts_below_the_domain_pass_whatever_stands_before_it(prefix: str) -> None:
    try:
        HOSTS.check(f"https://{prefix}inference.ml.azure.com/score")
    except ValueError:
        return
    assert prefix == "" or prefix.endswith(".")
    assert all(character.isalnum() or character in "-_." for character in prefix)


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ("https://a.com/score", "https://a.com:443/other", True),
        ("https://A.com/score", "https://a.com./score", True),
        ("HTTPS://a.com/score", "https://a.com/score", True),
        ("http://127.0.0.1/a", "http://127.0.0.1:80/a", True),
        ("https://a.com/score", "https://a.com:8443/score", False),
        ("https://127.0.0.1/score", "http://127.0.0.1/score", False),
        ("https://a.com/score", "https://b.a.com/score", False),
    ],
)
def test_an_origin_is_scheme_host_and_port(one: str, other: str, is_same: bool) -> None:
    assert (origin(one) == origin(other)) is is_same


@pytest.mark.parametrize(
    ("url", "is_under"),
    [
        ("https://a.azure.com/x", True),
        ("https://azure.com.", True),
        ("https://aazure.com", False),
        ("https://azure.com.evil.com", False),
        ("https://evil.com/azure.com", False),
        ("https://[broken", False),
        ("", False),
    ],
)
def test_a_host_is_under_a_domain_at_a_label_boundary(url: str, is_under: bool) -> None:
    assert is_host_under(url, "azure.com") is is_under


@pytest.mark.parametrize("url", ["https://[broken", "", "https://contoso.com", "http://10.0.0.1"])
def test_other_places_are_not_this_machine(url: str) -> None:
    assert not is_loopback_url(url)
