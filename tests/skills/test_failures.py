"""Every failure has one sentence that names cause and cure."""

import re
from typing import Any

import pytest

from shared.skills.definition import ErrorText
from shared.skills.failures import Failure, Kind, sentence, status_failure

ENDPOINT = "the endpoint churn"
SCOPE = "/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/w"
CASES: list[tuple[Failure, str]] = [
    (
        Failure(Kind.NO_INPUTS, facts={"inputs": "text, language"}),
        "None of the skill's inputs has a value (text, language), so the endpoint was not called: "
        "check the sources of the skill's inputs in the skillset.",
    ),
    (
        Failure(Kind.INVALID_DATA),
        "The record's data is not an object: send the skill's inputs as members of data.",
    ),
    (
        status_failure(400, text="shape mismatch"),
        'The endpoint churn answered 400 ("shape mismatch"): the model does not accept this input, so compare the '
        "skill's inputs with its scoring script.",
    ),
    (
        status_failure(422),
        "The endpoint churn answered 422: the model does not accept this input, so compare the skill's inputs with "
        "its scoring script.",
    ),
    (
        status_failure(401),
        "The endpoint churn answered 401: set its present key in the skill.",
    ),
    (
        Failure(Kind.UNAUTHORIZED, 401, facts={"credential_cure": "it wants a key, so give the skill one"}),
        "The endpoint churn answered 401: it wants a key, so give the skill one.",
    ),
    (
        status_failure(403),
        "The endpoint churn answered 403: the caller lacks the right to score, so give this app's identity the role "
        "AzureML Data Scientist on the workspace (az role assignment create), or check the endpoint's network access.",
    ),
    (
        status_failure(404),
        "The endpoint churn answered 404: no deployment has traffic or the address is wrong, so check the traffic "
        "split, the skill's uri and gateway.deployment.",
    ),
    (
        status_failure(408),
        "The endpoint churn answered 408: the model took longer than the deployment's request_timeout_ms, so raise "
        "that or send smaller inputs.",
    ),
    (
        status_failure(409),
        "The endpoint churn answered 409: an operation on it is in progress, so run the indexer again when it has "
        "ended.",
    ),
    (
        status_failure(413),
        "The endpoint churn answered 413: the input is too large for it, so split the text before this skill or lower "
        "maxRecordsPerCall.",
    ),
    (
        status_failure(429),
        "The endpoint churn answered 429 (too many calls at once): add instances or raise its concurrency, lower "
        "degreeOfParallelism, or give the gateway more time.",
    ),
    (
        status_failure(424, inner=429),
        "The endpoint churn answered 424 for the model's 429 (too many calls at once): add instances or raise its "
        "concurrency, lower degreeOfParallelism, or give the gateway more time.",
    ),
    (
        Failure(Kind.THROTTLED, 429, attempts=3),
        "The endpoint churn answered 429 (too many calls at once) at the last of 3 attempts: add instances or raise "
        "its concurrency, lower degreeOfParallelism, or give the gateway more time.",
    ),
    (
        status_failure(503),
        "The endpoint churn answered 503 (no capacity): wait for it to scale up, or add instances.",
    ),
    (
        status_failure(502),
        "The endpoint churn answered 502: its container crashed or restarts, so read the deployment's logs "
        "(az ml online-deployment get-logs).",
    ),
    (
        status_failure(504),
        "The endpoint churn answered 504: the model was too slow for the endpoint's own limit, so raise its request "
        "timeout.",
    ),
    (
        status_failure(424, inner=500, reason="Internal Server Error", text="boom"),
        "The endpoint churn answered 424 for the model's 500 (Internal Server Error) (\"boom\"): the model's code "
        "failed on this input, so read the deployment's logs (az ml online-deployment get-logs) and mend the scoring "
        "script or the input.",
    ),
    (
        status_failure(424),
        "The endpoint churn answered 424: the model's code failed on this input, so read the deployment's logs "
        "(az ml online-deployment get-logs) and mend the scoring script or the input.",
    ),
    (
        status_failure(500, text="oops"),
        'The endpoint churn answered 500 ("oops"): Azure Machine Learning failed, so run the indexer again and read '
        "the endpoint's logs if it stays.",
    ),
    (
        status_failure(302),
        "The endpoint churn answered 302, a redirect, which is not followed: put the endpoint's own scoring URI into "
        "the skill's uri.",
    ),
    (
        Failure(Kind.DNS),
        "The host of the endpoint churn cannot be resolved: check the skill's uri for a typing error, and the "
        "network's DNS if the endpoint is private.",
    ),
    (
        Failure(Kind.TLS),
        "No secure connection to the endpoint churn: its certificate or TLS version is not accepted, so check the "
        "host in the skill's uri and its certificate.",
    ),
    (
        Failure(Kind.CONNECT),
        "No connection to the endpoint churn: check that it is running, its address, and the network rules between "
        "this app and it.",
    ),
    (
        Failure(Kind.DROPPED),
        "The endpoint churn closed the connection before its answer was complete: read the deployment's logs for a "
        "crash or a restart.",
    ),
    (
        Failure(Kind.TIMED_OUT, facts={"timeout": "30"}),
        "The endpoint churn gave no complete answer within the skill's timeout of 30 s: raise timeout, make the "
        "model faster, or send smaller inputs.",
    ),
    (
        Failure(Kind.DEADLINE, facts={"deadline": "27"}),
        "The deadline of 27 s was reached before the endpoint churn had answered: send fewer records per batch, raise "
        "degreeOfParallelism, or give more time (header x-bridge-deadline, gateway.deadline).",
    ),
    (
        Failure(Kind.NOT_REACHED, facts={"deadline": "27"}),
        "The deadline of 27 s was reached before it was this record's turn at the endpoint churn: send fewer records "
        "per batch, raise degreeOfParallelism, or give more time (header x-bridge-deadline, gateway.deadline).",
    ),
    (
        Failure(Kind.CLOSED, facts={"silent": 20, "probe": "10"}),
        "The endpoint churn gave no answer 20 times in a row, so it is only probed, once every 10 s: check that it "
        "runs; calls go on by themselves when a probe succeeds.",
    ),
    (
        Failure(Kind.SPACED_OUT),
        "The endpoint churn pushed back or timed out so often that calls to it are spaced out, and no turn was left before "
        "the deadline: send the batch again later, and add instances or lower degreeOfParallelism.",
    ),
    (
        Failure(Kind.PAUSED, facts={"wait": "60"}),
        "The endpoint churn asked for no calls for another 60 s (Retry-After), longer than the caller waits: send the "
        "batch again later.",
    ),
    (
        Failure(Kind.CONTENT_TYPE, facts={"content_type": "text/html"}),
        "The endpoint churn answered with content type text/html, which is not application/json: make the scoring "
        "script return a JSON object.",
    ),
    (
        Failure(Kind.INVALID_JSON),
        "The endpoint churn answered with invalid JSON: make the scoring script return a JSON object.",
    ),
    (
        Failure(Kind.NOT_AN_OBJECT, facts={"shape": "array"}),
        "The endpoint churn answered with a JSON array where an object is expected: make the scoring script return an "
        "object with the skill's outputs as members.",
    ),
    (
        Failure(Kind.JSON_STRING),
        "The endpoint churn answered with a string that holds JSON: return the object itself from the scoring script "
        "instead of json.dumps, or set gateway.unwrapString.",
    ),
    (
        Failure(Kind.ANSWER_TOO_LARGE, facts={"limit": 16777216}),
        "The endpoint churn answered with more than 16777216 bytes, and the rest was not read: return only the "
        "skill's outputs, or raise the app setting MAX_SCORING_ANSWER_BYTES.",
    ),
    (
        Failure(Kind.NO_PREDICTIONS),
        "The endpoint churn answered without a list of predictions, which the skill's gateway.payload asks for: make "
        "the scoring script return an array, one item per record and in order, or an object with that array as "
        "predictions.",
    ),
    (
        Failure(Kind.OUTPUT_MISSING, facts={"output": "label"}),
        "The answer of the endpoint churn lacks the output label: name the outputs of the skill as the scoring script "
        "names them.",
    ),
    (
        Failure(Kind.WRONG_COUNT, facts={"got": 1, "sent": 2}),
        "The endpoint churn answered with 1 predictions for 2 records: make the scoring script answer one per record, "
        "in order.",
    ),
    (
        Failure(Kind.HOST_REFUSED, facts={"cause": "only https is allowed, not http"}),
        "The address of the endpoint churn is refused: only https is allowed, not http.",
    ),
    (
        Failure(Kind.SETTING_MISSING, facts={"setting": "SKILL_KEY_CHURN"}),
        "The app setting SKILL_KEY_CHURN with the key of the endpoint churn has no usable value: set it, or mend the skill's "
        "key.",
    ),
    (
        Failure(Kind.KEY_MISSING),
        "The key of the endpoint churn is no longer stored: save the skill again with its key.",
    ),
    (
        Failure(Kind.TOKEN_FAILED, facts={"audience": "https://ml.azure.com"}),
        "This app's identity got no token for https://ml.azure.com: give the function app a managed identity, and set "
        "AZURE_CLIENT_ID if it is user-assigned.",
    ),
    (
        Failure(Kind.ARM_FORBIDDEN, facts={"action": "list the keys of", "scope": SCOPE, "status": 403}),
        "This app's identity may not list the keys of the endpoint churn: give it the role AzureML Data Scientist on "
        "the workspace (az role assignment create --assignee <identity> --role 'AzureML Data Scientist' "
        f"--scope {SCOPE}).",
    ),
    (
        Failure(Kind.ARM_NOT_FOUND, facts={"scope": SCOPE}),
        f"Azure Resource Manager does not know the endpoint churn: check the skill's resourceId ({SCOPE}).",
    ),
    (
        Failure(Kind.ARM_FAILED, facts={"status": 500}),
        "Azure Resource Manager answered 500 for the endpoint churn: run the indexer again; if it stays, check the "
        "resourceId and Azure's status.",
    ),
    (
        Failure(Kind.ARM_REFUSED, facts={"status": 400, "action": "read"}),
        "Azure Resource Manager answered 400 when asked to read the endpoint churn: check the skill's resourceId and "
        "the app setting AML_API_VERSION.",
    ),
    (
        Failure(Kind.ARM_THROTTLED),
        "Azure Resource Manager throttles the look-up of the endpoint churn: run the indexer again later.",
    ),
    (
        Failure(Kind.REGION, facts={"location": "westeurope", "region": "eastus"}),
        "The endpoint churn is in westeurope, not in eastus: set the skill's region to westeurope, or leave it out.",
    ),
    (
        Failure(Kind.AUTH_MODE, facts={"mode": "magic"}),
        "The endpoint churn has the authentication mode magic, which is not served here: recreate it with key, "
        "aml_token or aad_token.",
    ),
]


@pytest.mark.parametrize(("failure", "expected"), CASES, ids=[f"{failure.kind.code}" for failure, _ in CASES])
def test_a_failure_has_its_sentence(failure: Failure, expected: str) -> None:
    assert sentence(failure, ENDPOINT) == expected


def test_no_row_of_the_table_is_without_a_case() -> None:
    assert {failure.kind for failure, _ in CASES} == set(Kind)


@pytest.mark.parametrize(("failure", "expected"), CASES, ids=[f"{failure.kind.code}" for failure, _ in CASES])
def test_a_sentence_is_one_and_whole(failure: Failure, expected: str) -> None:
    assert re.fullmatch(r"[A-Z][^{}]*\.", expected)
    assert not re.search(r"\. [A-Z]", expected), "two sentences"
    assert "None " not in expected.removeprefix("None of")
    assert "  " not in expected
    assert ":" in expected, "cause, then cure"


@pytest.mark.parametrize("kind", Kind)
def test_a_fact_that_is_not_known_does_not_break_the_sentence(kind: Kind) -> None:
    text = sentence(Failure(kind), ENDPOINT)

    assert not re.search(r"[{}]", text)
    assert text.endswith(".")


def test_codes_are_unique_words() -> None:
    codes = [kind.code for kind in Kind]

    assert len(set(codes)) == len(codes) == len(Kind.__members__)
    assert all(re.fullmatch(r"([A-Z][a-z]+)+", code) for code in codes)


@pytest.mark.parametrize("kind", Kind)
def test_the_bare_contract_knows_a_status_for_every_failure(kind: Kind) -> None:
    assert kind.bare_status in (400, 429, 502, 503, 504)


def test_the_endpoints_words_are_cut_and_cleaned() -> None:
    text = sentence(status_failure(400, text='a\n\tb\x00 "c" {d} ' + "x" * 1000), ENDPOINT)

    said = text.removeprefix('The endpoint churn answered 400 ("').partition('"): the model')[0]
    assert said.startswith('a b "c" {d} xxx')
    assert len(said) == 200


def test_the_models_reason_is_cut_and_cleaned() -> None:
    text = sentence(status_failure(424, inner=500, reason="a\nb" + "x" * 1000), ENDPOINT)

    assert "(a bxxx" in text
    assert len(text) < 500


@pytest.mark.parametrize(
    ("detail", "text"),
    [
        (ErrorText.TEXT, "424 for the model's 500 (Bad) (\"secret plan\"): the model's code failed"),
        (ErrorText.STATUS, "424 for the model's 500: the model's code failed"),
    ],
)
def test_the_definition_says_how_much_of_the_answer_is_repeated(detail: ErrorText, text: str) -> None:
    failure = status_failure(424, inner=500, reason="Bad", text="secret plan")

    assert text in sentence(failure, ENDPOINT, detail)


@pytest.mark.parametrize("status", [400, 401, 424, 429, 500, 503])
def test_without_detail_not_even_the_status_is_told(status: int) -> None:
    text = sentence(status_failure(status, text="secret plan", reason="Bad"), ENDPOINT, ErrorText.NONE)

    assert not re.search(r"\d", text)
    assert "secret" not in text
    assert "Bad" not in text
    assert re.fullmatch(
        r"The endpoint churn did not enrich this record \(\w+\): look the code up in this app's documentation of errors\.",
        text,
    )


def test_without_detail_what_is_our_own_stays() -> None:
    assert "timeout of 30 s" in sentence(Failure(Kind.TIMED_OUT, facts={"timeout": "30"}), ENDPOINT, ErrorText.NONE)


@pytest.mark.parametrize(
    ("given", "kind", "status", "wrapped"),
    [
        ({"status": 429}, Kind.THROTTLED, 429, False),
        ({"status": 424, "inner": 429}, Kind.THROTTLED, 429, True),
        ({"status": 424, "inner": 503}, Kind.UNAVAILABLE, 503, True),
        ({"status": 424, "inner": 502}, Kind.BAD_GATEWAY, 502, True),
        ({"status": 424, "inner": 504}, Kind.GATEWAY_TIMEOUT, 504, True),
        ({"status": 424, "inner": 400}, Kind.MODEL_FAILED, 400, True),
        ({"status": 424}, Kind.MODEL_FAILED, 424, False),
        ({"status": 418}, Kind.REJECTED, 418, False),
        ({"status": 505}, Kind.PLATFORM_ERROR, 505, False),
        ({"status": 304}, Kind.REDIRECT, 304, False),
    ],
)
def test_a_status_is_its_failure(given: dict[str, Any], kind: Kind, status: int, wrapped: bool) -> None:
    failure = status_failure(**given, retry_after=None)

    assert (failure.kind, failure.status, failure.wrapped) == (kind, status, wrapped)
    assert failure.pushed_back == (status in (429, 503))


def test_a_push_back_keeps_how_long_to_wait() -> None:
    assert status_failure(503, retry_after=7).retry_after == 7
    assert status_failure(424, inner=429, retry_after=7).retry_after == 7
