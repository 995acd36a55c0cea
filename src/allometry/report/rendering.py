"""Pages from templates: filters, a strict content security policy, a limit on size."""

import base64
import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined, pass_context
from jinja2.runtime import Context
from markupsafe import Markup, escape

from allometry.errors import DataError, printable
from allometry.figures.words import to_html
from allometry.findings import MARKS, Finding
from allometry.report.pictures import make_folder, write_bytes

__all__ = [
    "LIMIT", "Rendered", "environment", "render", "rendered", "symbols_in", "with_meanings",
    "write",
]  # fmt: skip

LIMIT = 1_000_000  # bytes of a page
ADDRESS = r"(?<![\w./])(?:(?P<arxiv>\d{4}\.\d{4,5})(?![\w])|10\.\d{4,9}/[\w./()-]+)"


def render(template: str, **values: Any) -> str:
    """A page with its style and script inside; its policy forbids everything else to load."""
    return rendered(template, **values).text


class Rendered(NamedTuple):
    """A page, and its content security policy without what a header alone can say."""

    text: str
    policy: str


def rendered(
    template: str,
    *,
    packages: tuple[str, ...] = (),
    styles: Sequence[str] = ("page.css",),
    scripts: Sequence[str] = ("sort.js",),
    connects: bool = False,
    **values: Any,
) -> Rendered:
    """A page with its styles and scripts inside; its policy forbids everything else to load.

    What would steer a terminal, turn the direction of writing or be seen by nobody is written out.

    Args:
        packages: with folders ``templates`` that are searched after the report's.
        styles, scripts: names of files beside the templates.
        connects: whether its script may ask the server that it comes from.
    """
    env = environment(packages)
    loader = env.loader
    assert loader is not None
    style, script = (
        "".join(loader.get_source(env, name)[0] for name in names) for names in (styles, scripts)
    )
    policy = (
        "default-src 'none'; base-uri 'none'; form-action 'none'; img-src data:; "
        f"style-src {_hash_source(style)}; script-src {_hash_source(script)}"
    ) + ("; connect-src 'self'" if connects else "")
    page = env.get_template(template).render(
        style=_trusted(style), script=_trusted(script), policy=policy, **values
    )
    return Rendered(printable(page), policy)


def _hash_source(text: str) -> str:
    """A content security policy's name for one style or script."""
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def write(page: str, path: Path, parts: Sequence[tuple[str, int]] = ()) -> Path:
    """Write a page.

    Args:
        parts: names and sizes in bytes of its figures, to name the largest one.

    Raises:
        DataError: it has more than `LIMIT` bytes. DiskError: it cannot be written.
    """
    data = page.encode()
    if len(data) > LIMIT:
        largest = max(parts, key=lambda part: part[1], default=("the page itself", len(data)))
        raise DataError(
            f"the report would be {len(data) / 1e6:.1f} MB, at most {LIMIT / 1e6:g} MB is kept to: "
            f"{largest[0]} takes {largest[1] / 1e6:.1f} MB; draw fewer marks in it, or pass "
            "rasterized=True to what draws them"
        )
    make_folder(path.parent)
    write_bytes(path, data)
    return path


@cache
def environment(packages: tuple[str, ...] = ()) -> Environment:
    """What renders templates of the report, and of other packages that look like it."""
    places = ("allometry.report", *packages)
    env = Environment(
        loader=ChoiceLoader([PackageLoader(place, "templates") for place in places]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    env.filters["mathematics"] = _mathematics
    env.filters["linked"] = _linked
    env.filters["counted"] = _counted
    env.filters["measured"] = _measured
    env.globals["marks"] = MARKS
    return env


@pass_context
def _mathematics(context: Context, text: object) -> Markup:
    """Text with its mathematics set, and the meaning of each symbol of the page on hover."""
    symbols: Mapping[str, str] = context.get("symbols") or {}
    return _trusted(with_meanings(to_html(str(text)), symbols))


def with_meanings(markup: str, symbols: Mapping[str, str]) -> str:
    """Markup of `to_html` with each of these symbols as an abbreviation."""
    if not symbols:
        return markup
    meanings = {to_html(symbol): escape(meaning) for symbol, meaning in symbols.items()}
    longest_first = sorted(map(re.escape, meanings), key=len, reverse=True)
    pattern = rf"(?<![\w<>/&;])(?:{'|'.join(longest_first)})(?![\w>;'])(?!<sub>)"
    return re.sub(pattern, lambda m: f'<abbr title="{meanings[m[0]]}">{m[0]}</abbr>', markup)


def symbols_in(texts: Iterable[str], symbols: Mapping[str, str]) -> dict[str, str]:
    """Those of the symbols that some of the texts have."""
    whole = " ".join(map(to_html, texts))
    return {s: m for s, m in symbols.items() if "<abbr" in with_meanings(whole, {s: m})}


def _trusted(text: str) -> Markup:
    """Markup of this package, in which all other text is escaped already."""
    return Markup(text)  # noqa: S704


def _linked(text: str) -> Markup:
    """A source with its arXiv numbers and DOIs as links; all other text is escaped."""
    parts, end = [], 0
    for match in re.finditer(ADDRESS, text):
        host = "arxiv.org/abs" if match["arxiv"] else "doi.org"
        number = match[0].rstrip(".,;")
        parts += [
            escape(text[end : match.start()]),
            Markup('<a href="https://{}/{}">{}</a>').format(host, number, number),
        ]
        end = match.start() + len(number)
    return Markup("").join([*parts, escape(text[end:])])


def _measured(finding: Finding) -> Markup | str:
    """Value above its interval; empty where there is no number."""
    if not finding.shown:
        return ""
    value, bracket, ends = finding.interval.shown().partition(" [")
    unit = _trusted(f" {to_html(finding.unit)}") if finding.unit else ""
    return Markup("{}{} <small>{}</small>").format(value, unit, (bracket + ends).strip())


def _counted(findings: Iterable[Finding]) -> str:
    """Verdicts by number: "2 disagree, 1 undecided"."""
    words = {
        "agrees": ("agrees", "agree"),
        "disagrees": ("disagrees", "disagree"),
        "undecided": ("undecided", "undecided"),
    }
    count = Counter[str](f.verdict for f in findings)
    return ", ".join(f"{count[v]} {words[v][count[v] > 1]}" for v in words if count[v])
