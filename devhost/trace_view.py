"""How does a trace look? As a tree of lines, and as a picture with a bar for each span.

Spans of one name below one parent share a line, and so do those below them: a batch of a hundred calls is one line.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

from devhost.collector import CollectedSpan

_WIDTH, _LABELS, _ROW, _TOP = 1080, 390, 20, 44
_BARS = _WIDTH - _LABELS - 90
_COLOURS = {"client": "#c98a1b", "consumer": "#5b8c3a", "internal": "#1f6fb2"}
_FAILED = "#b3261e"
_TOLD = ("bridge.skill", "bridge.records", "http.response.status_code", "bridge.outcome")


@dataclass(frozen=True)
class TraceLine:
    """Spans that share a line, the earliest first."""

    depth: int
    spans: Sequence[CollectedSpan]

    @property
    def label(self) -> str:
        return self.spans[0].name + (f" ×{len(self.spans)}" if len(self.spans) > 1 else "")

    @property
    def seconds(self) -> float:
        """From the first one's beginning to the last one's end."""
        return max(span.ended for span in self.spans) - self.spans[0].began

    @property
    def told(self) -> str:
        """What their attributes say, where they agree."""
        values = {name: {span.attributes.get(name) for span in self.spans} for name in _TOLD}
        told = [
            f"{name.rpartition('.')[2]}={found.pop()}"
            for name, found in values.items()
            if len(found) == 1 and found != {None}
        ]
        errors = sorted({span.error for span in self.spans if span.error})
        return " ".join([*told, *(f"error={error}" for error in errors)])


def lines_of(spans: Sequence[CollectedSpan]) -> list[TraceLine]:
    """Of one trace, each line after the one above it."""
    own = {span.id for span in spans}
    return list(_below([span for span in spans if span.parent not in own], spans, 0))


def _below(siblings: Sequence[CollectedSpan], spans: Sequence[CollectedSpan], depth: int) -> Iterator[TraceLine]:
    names = dict.fromkeys(span.name for span in sorted(siblings, key=lambda span: span.began))
    for name in names:
        same = sorted((span for span in siblings if span.name == name), key=lambda span: span.began)
        yield TraceLine(depth, same)
        parents = {span.id for span in same}
        yield from _below([span for span in spans if span.parent in parents], spans, depth + 1)


def as_text(title: str, lines: Sequence[TraceLine]) -> str:
    """A tree, with when each line began and how long it took, in milliseconds."""
    began = min(line.spans[0].began for line in lines)
    rows = [
        f"{(line.spans[0].began - began) * 1000:8.0f} {line.seconds * 1000:8.0f}  {'  ' * line.depth}{line.label}"
        + (f"  [{line.told}]" if line.told else "")
        for line in lines
    ]
    return "\n".join([title, "   at ms  took ms", *rows, ""])


def as_svg(parts: Sequence[tuple[str, Sequence[TraceLine]]]) -> str:
    """One trace below the other, each with its title and a scale of its own."""
    drawn, y = [], 0
    for title, lines in parts:
        drawn.append(f'<g transform="translate(0 {y})">{_draw(title, lines)}</g>')
        y += _TOP + _ROW * len(lines) + 16
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {y}" '
        'font-family="Segoe UI, Helvetica, Arial, sans-serif" font-size="12">\n'
        f'<rect width="{_WIDTH}" height="{y}" fill="#ffffff"/>\n' + "\n".join(drawn) + "\n</svg>\n"
    )


def _draw(title: str, lines: Sequence[TraceLine]) -> str:
    began = min(line.spans[0].began for line in lines)
    whole = max(max(span.ended for span in line.spans) for line in lines) - began
    found = [f'<text x="12" y="20" font-size="14" font-weight="600" fill="#1d2733">{escape(title)}</text>']
    found += _scale(whole, len(lines))
    for row, line in enumerate(lines):
        y = _TOP + row * _ROW
        found.append(f'<text x="{12 + line.depth * 14}" y="{y + 13}" fill="#1d2733">{escape(line.label)}</text>')
        found += [_bar(span, began, whole, y) for span in line.spans]
        end = _LABELS + _BARS + 8
        found.append(f'<text x="{end}" y="{y + 13}" fill="#5b6b7b">{_milliseconds(line.seconds)}</text>')
    return "\n".join(found)


def _bar(span: CollectedSpan, began: float, whole: float, y: float) -> str:
    x = _LABELS + (span.began - began) / whole * _BARS
    width = max((span.ended - span.began) / whole * _BARS, 1.5)
    colour = _FAILED if span.error else _COLOURS.get(span.kind, "#5b6b7b")
    # What is waited for is lighter than what is done.
    opacity = 0.35 if span.name.startswith("run.status") else 0.85
    place = f'x="{x:.1f}" y="{y + 3}" width="{width:.1f}" height="13" rx="2"'
    return f'<rect {place} fill="{colour}" opacity="{opacity}" stroke="#fff" stroke-width="0.5"/>'


def _scale(whole: float, rows: int) -> list[str]:
    step = 10 ** math.floor(math.log10(whole))
    step = next(part for part in (step / 5, step / 2, step, step * 2) if whole / part <= 8)
    found = []
    for mark in range(int(whole / step) + 1):
        x = _LABELS + mark * step / whole * _BARS
        bottom = _TOP + rows * _ROW
        found.append(f'<line x1="{x:.1f}" y1="{_TOP - 4}" x2="{x:.1f}" y2="{bottom}" stroke="#e3e8ee"/>')
        found.append(
            f'<text x="{x:.1f}" y="{_TOP - 8}" font-size="10" fill="#5b6b7b">{_milliseconds(mark * step)}</text>'
        )
    return found


def _milliseconds(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds >= 1 else f"{seconds * 1000:.0f} ms"
