"""Bicep files as trees: what they declare, what they refer to, and what their modules are handed.

pycep parses them. Its tree does not tell a text from a name, so names are read from the file itself, texts left out.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from pycep import BicepParser

INFRA = Path(__file__).parents[2] / "infra"
MAIN = INFRA / "main.bicep"
FILES = (MAIN, *sorted((INFRA / "modules").glob("*.bicep")))

_NAME = re.compile(r"(?<![\w.'])([A-Za-z_]\w*)\b(?!:)")
_LOOP = re.compile(r"\bfor [^\[\]{}]+ in .*?(?=:)")
_LOCAL = re.compile(r"\bfor (?:\((\w+), (\w+)\)|(\w+)) in\b|(\w+) =>")
_OUTPUT = re.compile(r"\b(\w+)(?:\[\w+\])?!?\.outputs\.(\w+)")


@dataclass(frozen=True)
class Template:
    path: Path
    tree: Mapping[str, Any]

    @property
    def parameters(self) -> Mapping[str, Any]:
        return self._section("parameters")

    @property
    def variables(self) -> dict[str, Any]:
        return {name: variable["value"] for name, variable in self._section("variables").items()}

    @property
    def resources(self) -> Mapping[str, Any]:
        return self._section("resources")

    @property
    def outputs(self) -> Mapping[str, Any]:
        return self._section("outputs")

    @property
    def required(self) -> set[str]:
        return {name for name, parameter in self.parameters.items() if parameter["default"] is None}

    @property
    def declared(self) -> set[str]:
        sections = ("parameters", "variables", "resources", "modules")
        return {name for section in sections for name in self._section(section)}

    def _section(self, name: str) -> Mapping[str, Any]:
        section: Mapping[str, Any] = self.tree.get(name, {})
        return section

    def resource(self, name: str) -> dict[str, Any]:
        """Its body, without the loop or condition around it."""
        return body_of(self.resources[name])

    def modules(self) -> Iterator[tuple[str, Path, dict[str, Any]]]:
        """Name, file and body of each module that is called."""
        for name, module in self._section("modules").items():
            yield name, (self.path.parent / module["detail"]["path"]).resolve(), body_of(module)

    def code(self) -> str:
        """The file without comments and texts; what stands in `${…}` stays, and a loop's colon is set apart."""
        code = "\n".join(_without_texts(line) for line in self.path.read_text().splitlines())
        return _LOOP.sub(r"\g<0> ", code)

    def names(self) -> set[str]:
        """Every name that the file refers to or declares, but not those after a dot and not members' names."""
        return set(_NAME.findall(self.code()))

    def locals(self) -> set[str]:
        return {name for found in _LOCAL.findall(self.code()) for name in found if name}

    def used_outputs(self) -> set[tuple[str, str]]:
        """`(module, output)`"""
        return set(_OUTPUT.findall(self.code()))


def body_of(declared: Mapping[str, Any]) -> dict[str, Any]:
    body: dict[str, Any] = declared["config"]
    while "config" in body and ("condition" in body or "loop_type" in body):
        body = body["config"]
    return body


@cache
def template(path: Path) -> Template:
    return Template(path, _parser().parse(text=path.read_text()))


@cache
def _parser() -> BicepParser:
    return BicepParser()


def _without_texts(line: str) -> str:
    """Texts become what they interpolate: `'a-${b}'` is `${b}`. A `//` in a text is no comment."""
    kept, rest = "", line
    while rest:
        if rest.startswith("//"):
            break
        if rest.startswith("'"):
            inside, rest = _text(rest)
            kept += "''" + inside
        else:
            kept, rest = kept + rest[0], rest[1:]
    return kept


def _text(rest: str) -> tuple[str, str]:
    """The interpolated code of the text at the start of `rest`, and what comes after it."""
    inside, at = "", 1
    while at < len(rest):
        if rest[at] == "\\":
            at += 2
        elif rest.startswith("${", at):
            depth, end = 1, at + 2
            while depth:
                if rest[end] == "'":
                    _, after = _text(rest[end:])
                    end = len(rest) - len(after)
                    continue
                depth += {"{": 1, "}": -1}.get(rest[end], 0)
                end += 1
            inside += f" {_without_texts(rest[at + 2 : end - 1])} "
            at = end
        elif rest[at] == "'":
            return inside, rest[at + 1 :]
        else:
            at += 1
    raise ValueError(f"a text that does not end: {rest}")
