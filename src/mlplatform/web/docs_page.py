"""The page /docs: Swagger UI from our own files.

FastAPI's own page loads it from a CDN: it stays empty without internet, and tells a third party who
reads it. Its inline script would also need a weaker Content-Security-Policy. Addresses are
relative, so the page works below a path of a proxy.
"""

from __future__ import annotations

from html import escape

from fastapi import FastAPI
from fastapi.responses import HTMLResponse, Response
from starlette.staticfiles import StaticFiles

FOLDER = "/docs"
_FILES = StaticFiles(packages=[("fastapi_swagger", "resources")])
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="icon" href="docs/favicon-32x32.png">
<link rel="stylesheet" href="docs/swagger-ui.css">
</head>
<body>
<div id="swagger-ui"></div>
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/start.js"></script>
</body>
</html>
"""
# Its usual validator is another site's.
_START = """SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  validatorUrl: null,
});
"""
_HEADERS = {
    # Swagger UI sets styles of its own, and draws with data: images.
    "content-security-policy": "default-src 'none'; script-src 'self'; connect-src 'self';"
    " style-src 'self' 'unsafe-inline'; img-src 'self' data:; base-uri 'none';"
    " form-action 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
}


def install(app: FastAPI) -> None:
    """Add the page and its files to an application that was made with `docs_url=None`."""
    page = _PAGE.format(title=escape(app.title))

    @app.get(FOLDER, include_in_schema=False)
    async def docs() -> HTMLResponse:
        return HTMLResponse(page, headers=_HEADERS)

    @app.get(f"{FOLDER}/start.js", include_in_schema=False)
    async def start() -> Response:
        return Response(_START, media_type="text/javascript", headers=_HEADERS)

    app.mount(FOLDER, _FILES)


def shows(path: str) -> bool:
    """Whether `path` is the page or one of its files: they show no data and need no token."""
    return path == FOLDER or path.startswith(f"{FOLDER}/")
