"""The routes of the live page.

No text of a request is used as a path: a study is looked up by its slug in a dictionary.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from html import unescape
from importlib import import_module
from typing import Any, Final, Protocol, cast

from anyio.to_thread import run_sync
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from allometry.errors import AllometryError, in_one_line
from allometry.files.documents import json_document
from allometry.report.rendering import Rendered
from allometry.serve.events import Events
from allometry.serve.findings import Findings
from allometry.serve.guard import LARGEST_BODY, Guard
from allometry.serve.live import Entry, Now, Watch
from allometry.serve.pages import Part, overview, page, study_part

__all__ = ["Application", "TablePage"]

AT_ONCE: Final = 2  # requests for a dropped table or a whole table as JSON worked on at once
MOST_INLINE: Final = 150_000  # characters; longer findings are loaded after the page
INTERVAL: Final = 1.0  # seconds between two readings of the store
KEPT: Final = 8  # studies whose last drawn part is kept
SHARE: Final = 10.0  # least pause between readings, in durations of a reading

Answer = Callable[[Request], Awaitable[Response]]


class TablePage(Protocol):
    """The page for dropped tables."""

    def page(self) -> str:
        """The page, with its content security policy in a ``<meta>``."""
        ...

    def answer(self, name: str, body: bytes, choices: Mapping[str, str]) -> dict[str, Any]:
        """The answer to a table as JSON data; raises AllometryError if it cannot be read."""
        ...


@dataclass
class Application:
    """The live page of one store.

    Attributes:
        watch: the reader of the store.
        titles: title of each study by name, for the first page.
        findings: draws findings and figures of the studies that can be loaded.
        table_page: the page for dropped tables; None for the package's own.
    """

    watch: Watch
    titles: Mapping[str, str] = field(default_factory=dict)
    findings: Findings | None = None
    table_page: TablePage | None = None

    def __post_init__(self) -> None:
        self.events = Events()
        self._now = self.watch.now
        self._working = 0
        self._drawing = asyncio.Lock()
        self._parts: dict[str, tuple[str, Part]] = {}

    def guarded(self, token: str, port: int) -> Guard:
        """The application behind a guard."""
        return Guard(self.starlette(), token, port, posts=("/table",))

    def starlette(self) -> Starlette:
        """The routes; each answers HEAD as well."""
        routes: dict[str, Answer] = {
            "/": self._first_page,
            "/part": self._first_part,
            "/events": self._stream,
            "/status.json": self._status,
            "/study/{slug}": self._study_page,
            "/study/{slug}/part": self._study_part,
            "/study/{slug}/findings": self._findings,
            "/study/{slug}/table.json": self._table,
            "/study/{slug}/report.json": self._report,
        }
        app = Starlette(
            routes=[
                *(Route(path, answer, methods=["GET"]) for path, answer in routes.items()),
                Route("/table", self._table_page, methods=["GET"]),
                Route("/table", self._dropped, methods=["POST"]),
            ],
            exception_handlers={AllometryError: _refused, 404: _not_found},
            lifespan=self._lifespan,
        )
        app.router.redirect_slashes = False  # a redirect would repeat the request's host name
        return app

    @asynccontextmanager
    async def _lifespan(self, app: Starlette) -> AsyncIterator[None]:
        following = asyncio.create_task(self._follow())
        try:
            yield
        finally:
            following.cancel()
            if self.findings:
                await self.findings.close()

    async def _follow(self) -> None:
        """Read the store at once, and repeatedly while a page is open."""
        while True:
            if self.events.clients or not self._now.version:
                await self._read()
            await asyncio.sleep(max(INTERVAL, SHARE * self.watch.seconds))

    async def _read(self) -> Now:
        """Read the store now, and notify every stream of a new version."""
        self._now = await run_sync(self.watch.refresh)
        self._tell()
        return self._now

    def _tell(self) -> None:
        drawn = self.findings.count if self.findings else 0
        self.events.send(f"{self._now.version}.{drawn}")

    # ---- pages and their parts ---------------------------------------------------------------

    async def _first_page(self, request: Request) -> Response:
        part = overview(await self._read(), self.titles)
        title = "Studies in this store, as they are now"
        return _html(page(self.watch, part, title=title, part="/part"))

    async def _first_part(self, request: Request) -> Response:
        return _fragment(request, overview(await self._latest(), self.titles))

    async def _study_page(self, request: Request) -> Response:
        await self._read()
        entry = self._entry(request)
        if entry is None:
            return _not_found(request, None)
        now = await self._drawn(entry)
        report = self._report_part(entry)
        if report and len(report.text) > MOST_INLINE:
            report = Part.of('<p class="partial">Findings and figures are loading.</p>')
        title = self.titles.get(entry.status.study) or entry.status.study
        path = f"/study/{entry.slug}"
        return _html(
            page(
                self.watch, now, title=title, part=f"{path}/part", entry=entry,
                findings=f"{path}/findings" if report else "", report=report,
            )
        )  # fmt: skip

    async def _study_part(self, request: Request) -> Response:
        await self._latest()
        entry = self._entry(request)
        if entry is None:
            return _not_found(request, None)
        return _fragment(request, await self._drawn(entry))

    async def _drawn(self, entry: Entry) -> Part:
        """Progress and charts of a study, drawn once for all pages that show it."""
        async with self._drawing:
            now, kept = self._now, self._parts.pop(entry.slug, None)
            if kept is None or kept[0] != now.version:
                kept = (now.version, await run_sync(study_part, self.watch, now, entry))
            self._parts[entry.slug] = kept
            for old in list(self._parts)[:-KEPT]:
                del self._parts[old]
            return kept[1]

    async def _findings(self, request: Request) -> Response:
        await self._latest()
        entry = self._entry(request)
        report = self._report_part(entry) if entry else None
        return _fragment(request, report) if report else _not_found(request, None)

    def _report_part(self, entry: Entry) -> Part | None:
        """The last drawn findings and figures; a new drawing is started if it is due."""
        return self.findings.part(entry, self._tell) if self.findings else None

    async def _latest(self) -> Now:
        """The last reading; read again if no open stream keeps it up to date."""
        return self._now if self.events.clients and self._now.version else await self._read()

    def _entry(self, request: Request) -> Entry | None:
        return self._now.entries.get(request.path_params["slug"])

    async def _stream(self, request: Request) -> Response:
        kind = "text/event-stream"
        if request.method == "HEAD":
            return Response(media_type=kind)
        if self.events.full:
            return _busy("too many pages are open")
        await self._read()
        return StreamingResponse(self.events.stream(), media_type=kind)

    # ---- documents ---------------------------------------------------------------------------

    async def _status(self, request: Request) -> Response:
        now = await self._read()
        if now.error:
            return _error(now.error, 503)
        entries = sorted(entry.status for entry in now.entries.values())
        studies = [status.document() for status in entries]
        return _json(json_document("status", store=str(self.watch.store), studies=studies))

    async def _table(self, request: Request) -> Response:
        await self._latest()
        entry = self._entry(request)
        if entry is None:
            return _not_found(request, None)

        def document() -> str:
            rows = self.watch.table(entry.key)
            return json_document("table", study=entry.status.study, view=None, rows=[*rows])

        text = await self._worked(document)
        return _json(text) if isinstance(text, str) else text

    async def _report(self, request: Request) -> Response:
        await self._latest()
        entry = self._entry(request)
        if entry is None or self.findings is None:
            return _not_found(request, None)
        findings = self.findings.document(entry)
        if findings is None:
            self._report_part(entry)
            return _busy("its findings are being drawn")
        status = entry.status
        return _json(
            json_document(
                "report", study=status.study, size=status.size, files=[], findings=findings
            )
        )

    # ---- a dropped table ---------------------------------------------------------------------

    async def _table_page(self, request: Request) -> Response:
        text = self._page_of_tables().page()
        return _html(Rendered(text, policy_of(text)))

    async def _dropped(self, request: Request) -> Response:
        body = bytearray()
        async for piece in request.stream():
            body += piece
            if len(body) > LARGEST_BODY:
                return _error(f"a table of at most {LARGEST_BODY} bytes expected", 413)
        choices = dict(request.query_params)
        name = choices.pop("name", "")
        answer = self._page_of_tables().answer
        try:
            document = await self._worked(lambda: answer(name, bytes(body), choices))
        except AllometryError as error:
            return _error(str(error), 422)
        return document if isinstance(document, Response) else _json(json.dumps(document))

    def _page_of_tables(self) -> TablePage:
        if self.table_page is None:
            # Imports fitting and drawing, which the page of a store does not need.
            self.table_page = cast(TablePage, import_module("allometry.serve.table_page"))
        return self.table_page

    async def _worked(self, work: Callable[[], Any]) -> Any:
        """Call `work` in a thread and return its result, or a refusal if the server is busy."""
        if self._working >= AT_ONCE:
            return _busy("the server is busy with other tables")
        self._working += 1
        try:
            return await run_sync(work)
        finally:
            self._working -= 1


# ---- answers ---------------------------------------------------------------------------------


def policy_of(text: str) -> str:
    """The content security policy in the ``<meta>`` of a page."""
    opening = 'http-equiv="Content-Security-Policy" content="'
    return unescape(text.partition(opening)[2].partition('"')[0])


def _html(page: Rendered) -> Response:
    policy = f"{page.policy}; frame-ancestors 'none'"
    return HTMLResponse(page.text, headers={"content-security-policy": policy})


def _fragment(request: Request, part: Part) -> Response:
    """A part of a page, or status 304 if the browser already has it."""
    if request.headers.get("if-none-match") == part.tag:
        return Response(status_code=304, headers={"etag": part.tag})
    return HTMLResponse(part.text, headers={"etag": part.tag})


def _json(text: str) -> Response:
    return Response(text, media_type="application/json")


def _error(text: str, status: int) -> Response:
    return Response(json.dumps({"error": text}), status, media_type="application/json")


def _busy(text: str) -> Response:
    answer = _error(f"{text}: try again in a moment", 503)
    answer.headers["retry-after"] = "2"
    return answer


def _not_found(request: Request, error: Exception | None) -> Response:
    return PlainTextResponse("nothing here: / shows every study of the store\n", 404)


def _refused(request: Request, error: Exception) -> Response:
    return _error(in_one_line(error), 503)
