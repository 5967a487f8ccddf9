"""What does the gateway do with real documents? They go through the skill as an indexer would send them."""

import time
import unicodedata
from collections.abc import Callable, Sequence
from typing import Any

from samples.language.documents import Document, broken_document, documents
from samples.language.skill import NAME

type Call = Callable[..., Any]
_COLUMNS = 3
_NAME_WIDTH = 22


def run_demo(call: Call) -> None:
    """`call(method, path, body)` speaks to the function app."""
    texts = documents()
    broken = broken_document()
    print(
        f"\nPOST /api/skills/{NAME}: {len(texts)} translations of the Universal Declaration of Human Rights, and a scan without text\n"
    )
    values = [_record(text.id, text.content) for text in texts] + [_record(broken["id"], broken["content"])]
    started = time.perf_counter()
    answers = {
        answer["recordId"]: answer for answer in call("POST", f"/api/skills/{NAME}", {"values": values})["values"]
    }
    seconds = time.perf_counter() - started
    _print_table(texts, answers)
    _print_summary(texts, answers, seconds)
    _print_broken(answers[broken["id"]])
    _print_stats(call("GET", f"/api/skills/{NAME}/stats"))


def _record(record_id: str, content: str) -> dict[str, Any]:
    return {"recordId": record_id, "data": {"text": content}}


def _detected(answer: dict[str, Any]) -> str | None:
    found = answer["data"].get("detected_language_code")
    return str(found) if found is not None else None


def _print_table(texts: Sequence[Document], answers: dict[str, Any]) -> None:
    cells = [_cell(text, _detected(answers[text.id])) for text in texts]
    rows = -(-len(cells) // _COLUMNS)
    heading = f"{_fit('language', _NAME_WIDTH)} is  found"
    print("   ".join([heading] * _COLUMNS))
    for row in range(rows):
        print("   ".join(cells[row::rows]).rstrip())


def _cell(text: Document, detected: str | None) -> str:
    mark = " " if detected == text.language else "✗"
    return f"{_fit(text.name, _NAME_WIDTH)} {text.language:3} {detected or '–':3} {mark}"


def _fit(text: str, width: int) -> str:
    """`text` cut or filled to `width` columns of a terminal: East Asian characters take two, marks none."""
    shown, used = "", 0
    for character in text:
        columns = 0 if unicodedata.combining(character) else 2 if unicodedata.east_asian_width(character) in "WF" else 1
        if used + columns > width:
            break
        shown, used = shown + character, used + columns
    return shown + " " * (width - used)


def _print_summary(texts: Sequence[Document], answers: dict[str, Any], seconds: float) -> None:
    right = sum(_detected(answers[text.id]) == text.language for text in texts)
    share = 100 * right / len(texts)
    print(
        f"\n{right} of {len(texts)} languages found ({share:.1f} %) in {seconds:.2f} s; the model runs behind Azure ML's inference server."
    )


def _print_broken(answer: dict[str, Any]) -> None:
    print(f"\nThe broken record, {answer['recordId']}, failed alone, and its error says why:")
    for error in answer["errors"]:
        print(f"  {error['message']}")


def _print_stats(stats: dict[str, Any]) -> None:
    latency = stats["latencyMs"]
    print(
        f"\nGET /api/skills/{NAME}/stats: {stats['calls']} calls, {stats['retries']} retries, "
        f"p50 {latency['p50']} ms, p95 {latency['p95']} ms, window {stats['limiter']['window']}"
    )
