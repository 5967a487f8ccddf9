"""What language is a text in? The entry script of the sample endpoint.

Runs in the scoring environment, loaded by Azure ML's inference server, which calls `init` once a worker
and `run` with the body of each POST /score.

    {"text": "Este es un contrato"}  ->  200 {"detected_language_code": "es", "confidence": 0.5569}
    anything else                    ->  400 {"message": "…"}
"""

import json
from typing import Any

from azureml_inference_server_http.api.aml_response import AMLResponse
from py3langid.langid import MODEL_FILE, LanguageIdentifier

identifier: LanguageIdentifier


class BadInput(ValueError):
    """A body this model cannot score; the message goes to the caller."""


def init() -> None:
    """Load the model. With `norm_probs` the confidence is a probability and not a log score."""
    global identifier  # noqa: PLW0603  the server's contract: init() leaves the model where run() finds it
    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


# A dict becomes a JSON object. A str, which many samples return, would be encoded once more by the server.
# An exception would become a 500 that hides its reason, hence an answer of our own for bad input.
def run(raw_data: str) -> Any:
    try:
        text = read_text(raw_data)
    except BadInput as error:
        return AMLResponse({"message": str(error)}, 400, json_str=True)
    code, confidence = identifier.classify(text)
    return {"detected_language_code": code, "confidence": round(confidence, 4)}


def read_text(raw_data: str) -> str:
    try:
        body = json.loads(raw_data)
    except ValueError as error:
        raise BadInput(f"the body is not JSON: {error}") from error
    if not isinstance(body, dict):
        raise BadInput(f"the body must be a JSON object with a text, not {json_type(body)}")
    if "text" not in body:
        raise BadInput("text is missing")
    text = body["text"]
    if not isinstance(text, str):
        raise BadInput(f"text must be a string, not {json_type(text)}")
    if not text.strip():
        raise BadInput("text is empty")
    return text


def json_type(value: object) -> str:
    """What JSON calls the type of `value`."""
    names = {type(None): "null", bool: "a boolean", int: "a number", float: "a number", list: "an array"}
    return names.get(type(value), "a string" if isinstance(value, str) else "an object")
