"""Where a call goes and with which credential, by address and key or by resource id and identity."""

import asyncio
from collections.abc import Awaitable
from typing import Any

import httpx
import pytest

from shared.aml.targets import Target, Targets
from shared.skills.addresses import ScoringHosts
from shared.skills.failures import Kind
from shared.skills.gateway import AttemptFailed
from tests.aml.fakes import MACHINE_LEARNING, SCORING_URI, FakeArm, FakeIdentity, by_resource, by_uri, endpoint_json


async def failure_of(attempt: Awaitable[object]) -> AttemptFailed:
    with pytest.raises(AttemptFailed) as raised:
        await attempt
    return raised.value


def arm_with(auth_mode: str = "Key", *, identity: FakeIdentity | None = None, **endpoint: Any) -> FakeArm:
    now = (identity or FakeIdentity()).clock.now
    return FakeArm(
        {
            "language": endpoint_json(auth_mode, **endpoint),
            "listKeys": {"primaryKey": "primary", "secondaryKey": "secondary"},
            "token": {"accessToken": "aml-token", "refreshAfterTimeUtc": now + 300, "expiryTimeUtc": now + 600},
        }
    )


# By address


async def test_address_with_a_key() -> None:
    target = await by_uri("a-key").current()

    assert (str(target.uri), target.authorization) == (SCORING_URI, "Bearer a-key")


async def test_address_without_a_key() -> None:
    assert (await by_uri().current()).authorization is None


async def test_a_key_is_looked_up_at_each_call() -> None:
    environment = {"SKILL_KEY_A": "old"}
    targets = by_uri(setting="SKILL_KEY_A", environment=environment)
    before = await targets.current()

    environment["SKILL_KEY_A"] = "new"

    assert (before.authorization, (await targets.current()).authorization) == ("Bearer old", "Bearer new")


@pytest.mark.parametrize("value", [None, "", "  ", "two words", "käse", "a\nb", "a\x00b"])
async def test_a_key_that_cannot_be_sent_names_its_setting(value: str | None) -> None:
    environment = {} if value is None else {"SKILL_KEY_A": value}

    failed = await failure_of(by_uri(setting="SKILL_KEY_A", environment=environment).current())

    assert failed.failure.kind is Kind.SETTING_MISSING
    assert failed.failure.facts == {"setting": "SKILL_KEY_A"}


async def test_a_line_end_after_a_key_is_no_part_of_it() -> None:
    target = await by_uri(setting="SKILL_KEY_A", environment={"SKILL_KEY_A": "a-key\r\n"}).current()

    assert target.authorization == "Bearer a-key"


@pytest.mark.parametrize(
    ("uri", "hosts"),
    [
        (SCORING_URI, ScoringHosts(("other.example",))),
        ("https://evil.example/score", ScoringHosts()),
        ("https://evilinference.ml.azure.com/score", ScoringHosts()),
        ("http://language.westeurope.inference.ml.azure.com/score", ScoringHosts()),
        ("http://127.0.0.1:5001/score", ScoringHosts()),
        ("http://169.254.169.254/metadata", ScoringHosts(loopback=True)),
        ("https://language.inference.ml.azure.com@evil.example/score", ScoringHosts()),
        ("https://evil.example\\.inference.ml.azure.com/", ScoringHosts()),
    ],
)
async def test_an_address_is_checked_at_call_time_too(uri: str, hosts: ScoringHosts) -> None:
    failed = await failure_of(by_uri("a-key", uri=uri, hosts=hosts).current())

    assert failed.failure.kind is Kind.HOST_REFUSED
    assert failed.failure.facts["cause"]


async def test_loopback_where_it_is_allowed() -> None:
    target = await by_uri(uri="http://127.0.0.1:5001/score", hosts=ScoringHosts(loopback=True)).current()

    assert target.uri.port == 5001


async def test_a_refused_key_has_no_other_unless_its_setting_changed() -> None:
    environment = {"SKILL_KEY_A": "old"}
    targets = by_uri(setting="SKILL_KEY_A", environment=environment)
    refused = await targets.current()

    assert await targets.renewed(refused, was_good=True) is None
    environment["SKILL_KEY_A"] = "new"
    renewed = await targets.renewed(refused, was_good=True)

    assert renewed is not None
    assert renewed.authorization == "Bearer new"


@pytest.mark.parametrize(
    ("targets", "words"),
    [
        (by_uri(), "give the skill one"),
        (by_uri("a-key"), "into the skill"),
        (by_uri(setting="SKILL_KEY_A", environment={"SKILL_KEY_A": "k"}), "the app setting SKILL_KEY_A"),
        (by_resource(arm_with()), "this app's role on the workspace"),
    ],
)
async def test_the_cure_says_where_the_credential_comes_from(targets: Targets, words: str) -> None:
    assert words in (await targets.current()).credential_cure


def test_a_target_shows_no_credential() -> None:
    assert "sentinel" not in repr(Target(httpx.URL(SCORING_URI), "Bearer sentinel", "cure"))


# By resource id


@pytest.mark.parametrize(
    ("auth_mode", "authorization"),
    [
        ("Key", "primary"),
        ("AMLToken", "aml-token"),
        ("AADToken", f"{MACHINE_LEARNING}#1"),
        ("aad_token", f"{MACHINE_LEARNING}#1"),
    ],
)
async def test_each_mode_has_its_credential(auth_mode: str, authorization: str) -> None:
    target = await by_resource(arm_with(auth_mode)).current()

    assert (str(target.uri), target.authorization) == (SCORING_URI, f"Bearer {authorization}")


async def test_unknown_mode_is_named() -> None:
    failed = await failure_of(by_resource(arm_with("Certificate")).current())

    assert failed.failure.kind is Kind.AUTH_MODE
    assert failed.failure.facts == {"mode": "certificate"}


@pytest.mark.parametrize("auth_mode", ["Key", "AMLToken", "AADToken"])
async def test_a_thousand_calls_ask_arm_once(auth_mode: str) -> None:
    arm, identity = arm_with(auth_mode), FakeIdentity()
    targets = by_resource(arm, identity)

    found = await asyncio.gather(*(targets.current() for _ in range(1000)))

    assert len({id(target) for target in found}) == 1
    assert arm.asked("language") == 1
    assert arm.asked("listKeys") + arm.asked("token") == (0 if auth_mode == "AADToken" else 1)


@pytest.mark.parametrize(("later", "asked"), [(0, 1), (299, 1), (301, 2)])
async def test_an_aml_token_is_renewed_when_arm_says_so(later: float, asked: int) -> None:
    identity = FakeIdentity()
    arm = arm_with("AMLToken", identity=identity)
    targets = by_resource(arm, identity)
    await targets.current()

    identity.clock.now += later
    await targets.current()

    assert arm.asked("token") == asked
    assert arm.asked("language") == 1


async def test_an_aml_token_whose_time_is_past_is_not_fetched_for_every_call() -> None:
    arm = arm_with("AMLToken")
    arm.answers["token"] = {"accessToken": "aml-token", "expiryTimeUtc": 0}
    targets = by_resource(arm)

    for _ in range(10):
        await targets.current()

    assert arm.asked("token") == 1


async def test_a_key_is_read_again_after_ten_minutes() -> None:
    identity, arm = FakeIdentity(), arm_with()
    targets = by_resource(arm, identity)
    await targets.current()

    identity.clock.now += 601
    await targets.current()

    assert (arm.asked("language"), arm.asked("listKeys")) == (2, 2)


# Region


@pytest.mark.parametrize(
    ("region", "location"),
    [
        (None, "westeurope"),
        ("westeurope", "westeurope"),
        ("West Europe", "westeurope"),
        ("WESTEUROPE", "West Europe"),
        ("west europe", "westeurope"),
    ],
)
async def test_region_in_every_spelling(region: str | None, location: str) -> None:
    assert str((await by_resource(arm_with(location=location), region=region).current()).uri) == SCORING_URI


async def test_another_region_is_a_failure_that_names_both() -> None:
    failed = await failure_of(by_resource(arm_with(), region="eastus").current())

    assert failed.failure.kind is Kind.REGION
    assert failed.failure.facts == {"region": "eastus", "location": "westeurope"}


# Where a credential goes

KUBERNETES = "https://scoring.contoso.example/score"
CONTOSO = ScoringHosts(("contoso.example",))


@pytest.mark.parametrize(
    ("auth_mode", "uri", "hosts", "goes"),
    [
        ("AADToken", SCORING_URI, ScoringHosts(), True),
        ("AADToken", KUBERNETES, CONTOSO, False),
        ("AADToken", "http://127.0.0.1:7072/score", ScoringHosts(loopback=True), True),
        ("AADToken", "http://127.0.0.1:7072/score", ScoringHosts(), False),
        ("Key", KUBERNETES, CONTOSO, True),
        ("AMLToken", KUBERNETES, CONTOSO, True),
        ("Key", KUBERNETES, ScoringHosts(), False),
        ("Key", "http://language.westeurope.inference.ml.azure.com/score", ScoringHosts(), False),
        ("Key", None, ScoringHosts(), False),
        ("Key", "https://x.inference.ml.azure.com:bad/", ScoringHosts(), False),
    ],
)
async def test_where_a_credential_goes(auth_mode: str, uri: str | None, hosts: ScoringHosts, goes: bool) -> None:
    arm, identity = arm_with(auth_mode, uri=uri), FakeIdentity()
    targets = by_resource(arm, identity, hosts=hosts)

    if goes:
        assert str((await targets.current()).uri) == uri
    else:
        assert (await failure_of(targets.current())).failure.kind is Kind.HOST_REFUSED
        assert arm.asked("listKeys") + arm.asked("token") == 0
        assert MACHINE_LEARNING not in identity.fetched


@pytest.mark.parametrize("auth_mode", ["Key", "AMLToken"])
@pytest.mark.parametrize("secret", ["", "two words", "a\r\nb"])
async def test_a_credential_that_cannot_be_sent_is_a_failure(auth_mode: str, secret: str) -> None:
    arm = arm_with(auth_mode)
    arm.answers |= {"listKeys": {"primaryKey": secret}, "token": {"accessToken": secret}}

    assert (await failure_of(by_resource(arm).current())).failure.kind is Kind.ARM_FAILED


# After a 401


@pytest.mark.parametrize("auth_mode", ["Key", "AMLToken", "AADToken"])
async def test_fifty_refusals_renew_the_credential_once(auth_mode: str) -> None:
    arm, identity = arm_with(auth_mode), FakeIdentity()
    targets = by_resource(arm, identity)
    refused = await targets.current()
    arm.answers |= {"listKeys": {"primaryKey": "new"}, "token": {"accessToken": "new"}}

    renewed = await asyncio.gather(*(targets.renewed(refused, was_good=True) for _ in range(50)))

    assert len({id(target) for target in renewed}) == 1
    assert renewed[0] is not None
    assert renewed[0].authorization == f"Bearer {f'{MACHINE_LEARNING}#2' if auth_mode == 'AADToken' else 'new'}"
    assert arm.asked("language") == 2
    assert arm.asked("listKeys") + arm.asked("token") == (0 if auth_mode == "AADToken" else 2)


async def test_a_credential_that_was_just_renewed_is_not_renewed_for_every_record() -> None:
    identity, arm = FakeIdentity(), arm_with()
    targets = by_resource(arm, identity)
    renewed = await targets.renewed(await targets.current(), was_good=True)
    assert renewed is not None

    assert await targets.renewed(renewed, was_good=False) is None
    identity.clock.now += 10
    assert await targets.renewed(renewed, was_good=False) is not None
    assert arm.asked("listKeys") == 3


async def test_a_credential_that_was_good_is_renewed_however_soon() -> None:
    arm = arm_with()
    targets = by_resource(arm)
    renewed = await targets.renewed(await targets.current(), was_good=True)
    assert renewed is not None

    assert await targets.renewed(renewed, was_good=True) is not None


async def test_a_renewal_is_none_of_who_was_refused_before_it() -> None:
    arm = arm_with()
    targets = by_resource(arm)
    refused = await targets.current()
    renewed = await targets.renewed(refused, was_good=True)

    assert await targets.renewed(refused, was_good=True) is renewed
    assert arm.asked("listKeys") == 2


# ARM in trouble


async def test_a_refusal_by_arm_is_not_asked_for_again_by_every_record() -> None:
    identity, arm = FakeIdentity(), FakeArm({"language": httpx.Response(403)})
    targets = by_resource(arm, identity)

    for _ in range(100):
        assert (await failure_of(targets.current())).failure.kind is Kind.ARM_FORBIDDEN
    assert arm.asked("language") == 1
    identity.clock.now += 11
    arm.answers = arm_with().answers

    assert (await targets.current()).authorization == "Bearer primary"


async def test_arms_retry_after_is_obeyed() -> None:
    identity, arm = FakeIdentity(), FakeArm({"language": httpx.Response(429, headers={"Retry-After": "30"})})
    targets = by_resource(arm, identity)

    await failure_of(targets.current())
    identity.clock.now += 29
    await failure_of(targets.current())
    assert arm.asked("language") == 1
    identity.clock.now += 2
    await failure_of(targets.current())

    assert arm.asked("language") == 2


async def test_a_failure_of_arm_that_may_pass_is_asked_again_at_once() -> None:
    arm = FakeArm({"language": httpx.Response(500)})
    targets = by_resource(arm)
    await failure_of(targets.current())

    arm.answers = arm_with().answers

    assert (await targets.current()).authorization == "Bearer primary"


async def test_names_hold_no_address_with_a_secret() -> None:
    assert (
        by_uri(uri=f"{SCORING_URI}?code=sentinel").name == "the endpoint at language.westeurope.inference.ml.azure.com"
    )
    assert by_resource(arm_with()).name == "the endpoint language"
