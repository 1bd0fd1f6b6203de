"""What every port serves beside the documented routes: health, figures, documents and a page to read them."""

from collections.abc import Awaitable, Callable, Mapping
from functools import cache

import msgspec
from aiohttp import web

from actors.runtime.version import version
from bus_schemas.permissions import Action
from gateway.health import CHECKS, Health
from gateway.http import HttpApi
from gateway.metrics import FRESH, Metrics
from gateway.openapi import asyncapi, openapi
from gateway.reads import Reads
from gateway.routes import Part
from gateway.surface import routes_of

JSON = "application/json"
EXPOSITION = "text/plain; version=0.0.4; charset=utf-8"
KEY_SET_SECONDS = 60  # for which others may keep the key set


def add_pages(
    app: web.Application, *, part: Part, http_api: HttpApi, health: Health, metrics: Metrics, sandbox: bool
) -> None:
    """Add the pages to one port's application."""
    documents = {"/openapi.json": _openapi(part), "/asyncapi.json": _asyncapi()}
    reads = Reads(rest=FRESH)

    async def livez(request: web.Request) -> web.Response:
        return _json({"status": "ok"})

    async def readyz(request: web.Request) -> web.Response:
        missing = await health.failing()
        ready: dict[str, object] = {"status": "not ready" if missing else "ok", "sandbox": sandbox}
        if "verbose" in request.query:
            ready["checks"] = {name: missing.get(name, "ok") for name in CHECKS}
            ready["hosts"] = health.hosts()
            ready["shards"] = health.shards()
            ready["streams"] = health.streams()
            if health.degraded and not missing:
                ready["status"] = "degraded"  # the rest serves
        return _json(ready, 503 if missing else 200)

    async def figures(request: web.Request) -> web.Response:
        caller = await http_api.authenticate(Action.METRICS_VIEW, request)
        async with reads.turn(caller.share):
            await health.count()
            return web.Response(body=await metrics.recent(), headers={"Content-Type": EXPOSITION})

    async def about(request: web.Request) -> web.Response:
        return _json({"name": "OTTB", "version": version(), "part": part.value, "sandbox": sandbox, "docs": "/docs"})

    def document(path: str) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def serve(request: web.Request) -> web.Response:
            return web.Response(body=documents[path], content_type=JSON)

        return serve

    async def docs(request: web.Request) -> web.Response:
        return _page(DOCS_HTML, "text/html")

    async def docs_script(request: web.Request) -> web.Response:
        return _page(DOCS_SCRIPT, "text/javascript")

    app.router.add_get("/livez", livez)
    app.router.add_get("/readyz", readyz)
    app.router.add_get("/healthz", readyz)
    app.router.add_get("/metrics", figures)
    app.router.add_get("/version", about)
    app.router.add_get("/", about)
    app.router.add_get("/.well-known/jwks.json", _key_set_page(http_api.authenticator.key_set))
    for path in documents:
        app.router.add_get(path, document(path))
    app.router.add_get("/docs", docs)
    app.router.add_get("/docs.js", docs_script)


@cache
def _openapi(part: Part) -> bytes:
    return msgspec.json.encode(openapi(routes_of(part)))


@cache
def _asyncapi() -> bytes:
    return msgspec.json.encode(asyncapi())


def _key_set_page(key_set: Callable[[], Mapping[str, object]]) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def jwks(request: web.Request) -> web.Response:
        answer = _json(key_set())
        answer.headers["Cache-Control"] = f"public, max-age={KEY_SET_SECONDS}"
        return answer

    return jwks


def _json(value: object, status: int = 200) -> web.Response:
    return web.Response(body=msgspec.json.encode(value), status=status, content_type=JSON)


def _page(text: str, kind: str) -> web.Response:
    policy = "default-src 'self'; style-src 'self' 'unsafe-inline'; frame-ancestors 'none'"
    return web.Response(text=text, content_type=kind, headers={"Content-Security-Policy": policy})


DOCS_HTML = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>OTTB API</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
:root { color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif; }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
details { border: 1px solid #8886; border-radius: 6px; margin: .4rem 0; padding: .4rem .8rem; }
summary { cursor: pointer; } code, pre { font: 13px/1.45 ui-monospace, monospace; } pre { overflow: auto; }
.method { display: inline-block; width: 5rem; font-weight: 600; }
</style></head>
<body><h1>OTTB API</h1>
<p>The same as data: <a href="/openapi.json">openapi.json</a>, <a href="/asyncapi.json">asyncapi.json</a>.</p>
<main id="routes">Loading...</main><h2>Schemas</h2><div id="schemas"></div>
<script src="/docs.js"></script></body></html>
"""

DOCS_SCRIPT = """const add = (parent, tag, text, cls) => {
  const element = document.createElement(tag);
  if (text !== undefined) element.textContent = text;
  if (cls) element.className = cls;
  return parent.appendChild(element);
};
const json = (parent, title, value) => {
  add(parent, "h4", title);
  add(add(parent, "pre"), "code", JSON.stringify(value, null, 2));
};
fetch("/openapi.json").then((answer) => answer.json()).then((api) => {
  const main = document.getElementById("routes");
  main.textContent = "";
  for (const [path, methods] of Object.entries(api.paths)) {
    for (const [method, operation] of Object.entries(methods)) {
      const box = add(main, "details");
      const head = add(box, "summary");
      add(head, "span", method.toUpperCase(), "method");
      add(head, "code", path);
      add(head, "span", "  " + operation.summary);
      add(box, "p", operation.description);
      add(box, "p", "Permission: " + (operation["x-permission"] || "none"));
      if (operation.parameters.length) json(box, "Parameters", operation.parameters);
      if (operation.requestBody) json(box, "Body", operation.requestBody.content["application/json"].schema);
      json(box, "Answers", operation.responses);
    }
  }
  const schemas = document.getElementById("schemas");
  for (const [name, schema] of Object.entries(api.components.schemas)) {
    const box = add(schemas, "details");
    box.id = name;
    add(box, "summary", name);
    json(box, "Schema", schema);
  }
});
"""
