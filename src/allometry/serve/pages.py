"""The pages of the server, and the parts of pages that are updated."""

import hashlib
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple

from jinja2 import Environment
from markupsafe import Markup

from allometry.errors import AllometryError, in_one_line
from allometry.report.rendering import Rendered, environment, part_of_page, rendered
from allometry.serve.curves import RUNS, charts_of
from allometry.serve.live import Entry, Now, Watch
from allometry.stats.digits import shown, shown_integer

__all__ = ["Part", "overview", "page", "study_part"]

PACKAGES: Final = ("allometry.serve",)
MOST_STUDIES: Final = 200  # on the first page


class Part(NamedTuple):
    """A part of a page, and a tag (ETag) that identifies its content."""

    text: Markup
    tag: str

    @classmethod
    def of(cls, text: str) -> "Part":
        digest = hashlib.sha256(text.encode()).hexdigest()[:32]
        # The text comes from the package's templates, which escape all other text.
        return cls(Markup(text), f'"{digest}"')  # noqa: S704


def overview(now: Now, titles: Mapping[str, str]) -> Part:
    """Every study with its progress.

    Args:
        titles: titles of studies by name.
    """
    entries = list(now.entries.values())
    return _part(
        "overview.html.j2", entries=entries[:MOST_STUDIES], error=now.error,
        left_out=max(0, len(entries) - MOST_STUDIES), titles=_Titles(titles),
    )  # fmt: skip


def study_part(watch: Watch, now: Now, entry: Entry) -> Part:
    """Progress and charts of one study, from the store and from packs in training."""
    charts, error = [], now.error
    under_way = now.curves if entry.state else ()
    try:
        charts = charts_of(watch.sample(entry.key, RUNS), under_way)
    except AllometryError as reason:
        error = in_one_line(reason)
    return _part("study.html.j2", e=entry, charts=charts, error=error)


def page(
    watch: Watch, now: Part, *, title: str, part: str, entry: Entry | None = None,
    findings: str = "", report: Part | None = None,
) -> Rendered:  # fmt: skip
    """A whole page around its parts.

    Args:
        now: the part with progress and charts. part: the path that gives it.
        title: title of the page.
        entry: the study of the page; None for the first page.
        findings: path of the part with findings; empty for a page without. report: that part.
    """
    _filters(environment(PACKAGES))
    return rendered(
        "live.html.j2", packages=PACKAGES, styles=("page.css", "live.css"),
        scripts=("sort.js", "live.js"), connects=True,
        title=title, heading=title, store=watch.store.name, entry=entry, part=part, now=now.text,
        findings=findings, report=report.text if report else "",
        when=datetime.now().astimezone().strftime("%H:%M:%S"),
    )  # fmt: skip


def _part(template: str, **values: Any) -> Part:
    _filters(environment(PACKAGES))
    return Part.of(part_of_page(template, PACKAGES, **values))


class _Titles(dict[str, str]):
    """Titles by name; empty for a study without one."""

    def __missing__(self, name: str) -> str:
        return ""


# ---- numbers as text -------------------------------------------------------------------------


def _filters(env: Environment) -> None:
    filters: dict[str, Callable[..., str]] = {
        "whole": shown_integer, "rate": _rate, "duration": duration, "moment": _moment,
    }  # fmt: skip
    env.filters.update(filters)


def _rate(rate: float | None) -> str:
    return f"{shown(rate, 3)} model-steps/s" if rate else "–"


def duration(seconds: float | None) -> str:
    """Seconds in units that suit their size, such as 3 h 5 min; a dash if they are unknown."""
    if seconds is None or not 0 <= seconds < 1e10:
        return "–"
    if seconds < 100:
        return f"{seconds:.3g} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 100:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours < 100 else f"{hours / 24:.3g} days"


def _moment(text: str) -> str:
    """A time of the store (UTC) in local time."""
    return datetime.fromisoformat(text).astimezone().strftime("%Y-%m-%d %H:%M")
