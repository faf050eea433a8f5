"""The page /docs needs nothing from elsewhere."""

from __future__ import annotations

import re
from urllib.parse import urljoin, urlsplit

import httpx
from fastapi import FastAPI
from sockets import serving

from mlplatform.web import docs_page


def test_every_file_of_the_page_comes_from_us() -> None:
    """All it names are relative, answer, and are allowed by its own policy."""
    app = FastAPI(title="ours & theirs", docs_url=None, redoc_url=None)
    docs_page.install(app)
    with serving(app) as server:
        port = server.servers[0].sockets[0].getsockname()[1]
        with httpx.Client(base_url=f"http://127.0.0.1:{port}") as http:
            page = http.get("/docs")
            named = re.findall(r'(?:src|href)="([^"]+)"', page.text)
            files = {name: http.get(urljoin("/docs", name)) for name in named}
            start = files["docs/start.js"].text
            document = http.get(urljoin("/docs", re.findall('url: "([^"]+)"', start)[0]))
            absent = http.get("/docs/other.js")

    assert "ours &amp; theirs" in page.text
    assert 4 == len(named)
    assert {("", "")} == {urlsplit(name)[:2] for name in named}
    assert {200} == {answer.status_code for answer in files.values()}
    assert "SwaggerUIBundle" in files["docs/swagger-ui-bundle.js"].text
    assert "ours & theirs" == document.json()["info"]["title"]
    assert "script-src 'self';" in page.headers["content-security-policy"]
    assert "<script>" not in page.text
    assert 404 == absent.status_code
