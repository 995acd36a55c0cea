"""Pages from templates, with filters, a strict content security policy and a size limit."""

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
from allometry.report.files import make_folder, write_bytes

__all__ = [
    "LIMIT", "Rendered", "environment", "part_of_page", "render", "rendered", "symbols_in",
    "with_meanings",
    "write",
]  # fmt: skip

LIMIT = 1_000_000  # bytes of a page
ADDRESS = r"(?<![\w./])(?:(?P<arxiv>\d{4}\.\d{4,5})(?![\w])|10\.\d{4,9}/[\w./()-]+)"


def render(template: str, **values: Any) -> str:
    """The text of a page; see `rendered`."""
    return rendered(template, **values).text


class Rendered(NamedTuple):
    """A page, and its content security policy without directives that only a header can set."""

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
    """A page with its styles and scripts inside; its policy forbids loading anything else.

    Control characters, bidirectional marks and invisible characters are escaped.

    Args:
        packages: packages whose folders ``templates`` are searched after the report's.
        styles, scripts: names of files beside the templates.
        connects: whether the script may connect to the server that the page comes from.
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


def part_of_page(template: str, packages: tuple[str, ...] = (), **values: Any) -> str:
    """A rendered part of a page, with characters escaped as in `rendered`."""
    return printable(environment(packages).get_template(template).render(**values))


def _hash_source(text: str) -> str:
    """The hash by which a content security policy allows one style or script."""
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def write(page: str, path: Path, parts: Sequence[tuple[str, int]] = ()) -> Path:
    """Write a page.

    Args:
        parts: names and sizes in bytes of its figures, so that the message names the largest.

    Raises:
        DataError: the page has more than `LIMIT` bytes. DiskError: it cannot be written.
    """
    data = page.encode()
    if len(data) > LIMIT:
        largest = max(parts, key=lambda part: part[1], default=("the page itself", len(data)))
        raise DataError(
            f"the report would be {len(data) / 1e6:.1f} MB, the limit is {LIMIT / 1e6:g} MB: "
            f"{largest[0]} takes {largest[1] / 1e6:.1f} MB; draw fewer marks in it, or pass "
            "rasterized=True to the functions that draw them"
        )
    make_folder(path.parent)
    write_bytes(path, data)
    return path


@cache
def environment(packages: tuple[str, ...] = ()) -> Environment:
    """The environment that renders templates of the report and of other packages."""
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
    """Text with its mathematics typeset, and the meaning of each symbol shown on hover."""
    symbols: Mapping[str, str] = context.get("symbols") or {}
    return _trusted(with_meanings(to_html(str(text)), symbols))


def with_meanings(markup: str, symbols: Mapping[str, str]) -> str:
    """Markup of `to_html` with each of these symbols as an ``<abbr>`` with its meaning."""
    if not symbols:
        return markup
    meanings = {to_html(symbol): escape(meaning) for symbol, meaning in symbols.items()}
    longest_first = sorted(map(re.escape, meanings), key=len, reverse=True)
    pattern = rf"(?<![\w<>/&;])(?:{'|'.join(longest_first)})(?![\w>;'])(?!<sub>)"
    return re.sub(pattern, lambda m: f'<abbr title="{meanings[m[0]]}">{m[0]}</abbr>', markup)


def symbols_in(texts: Iterable[str], symbols: Mapping[str, str]) -> dict[str, str]:
    """The symbols that occur in any of the texts."""
    whole = " ".join(map(to_html, texts))
    return {s: m for s, m in symbols.items() if "<abbr" in with_meanings(whole, {s: m})}


def _trusted(text: str) -> Markup:
    """Mark markup of this package as safe; all other text in it is already escaped."""
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
    """The measured value above its interval; empty without a number."""
    if not finding.shown:
        return ""
    value, bracket, ends = finding.interval.shown().partition(" [")
    unit = _trusted(f" {to_html(finding.unit)}") if finding.unit else ""
    return Markup("{}{} <small>{}</small>").format(value, unit, (bracket + ends).strip())


def _counted(findings: Iterable[Finding]) -> str:
    """Counts of the verdicts, such as "2 disagree, 1 undecided"."""
    words = {
        "agrees": ("agrees", "agree"),
        "disagrees": ("disagrees", "disagree"),
        "undecided": ("undecided", "undecided"),
    }
    count = Counter[str](f.verdict for f in findings)
    return ", ".join(f"{count[v]} {words[v][count[v] > 1]}" for v in words if count[v])
