"""Serving behind a proxy with a path prefix."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urljoin


def test_pages_and_predictions_work_below_the_prefix_and_without_it(
    platform: Any, serve: Callable[..., Any], scene: Any
) -> None:
    """As proxies send them that keep the prefix, and others that strip it."""
    platform.promote(platform.publish("ward", "1"))
    child = serve("ward", SERVING__ROOT_PATH="/team/ml")
    child.until("/readyz", 200)
    codes = set()
    for prefix in ("/team/ml", ""):
        page = child.http.get(f"{prefix}/docs")
        for name in re.findall(r'(?:src|href)="([^"]+)"', page.text):
            codes.add(child.http.get(urljoin(f"{prefix}/docs", name)).status_code)
        document = child.http.get(f"{prefix}/openapi.json").json()
        for _ in range(2):  # the second takes the short way where there is one
            told = child.http.post(f"{prefix}/v1/models/ward/predict", json={"rows": scene.rows(1)})
            codes.add(told.status_code)
        codes.add(child.http.get(f"{prefix}/readyz").status_code)
        codes.add(child.http.get(f"{prefix}/v2/models/ward").status_code)

        assert "swagger-ui" in page.text
        assert "/team/ml" == document["servers"][0]["url"]
    assert {200} == codes
    assert 404 == child.http.get("/other/docs").status_code
