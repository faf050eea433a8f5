"""Jobs of a Ray cluster, over the REST interface of its dashboard.

By HTTP, since Ray's own client would bring all of Ray into every trainer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import httpx

from mlplatform.errors import Refused, Unauthenticated, Unavailable
from mlplatform.settings import RaySettings, variable

ADDRESS = variable("ray", "address")
TIMEOUT_S = 20.0
_TAKEN = "already exists"
ENDED = ("SUCCEEDED", "FAILED", "STOPPED")


@dataclass(frozen=True)
class JobState:
    """What Ray says of a job."""

    status: str
    message: str

    @property
    def ended(self) -> bool:
        """Whether nothing of it runs any more."""
        return self.status in ENDED


class RayJobs:
    """A blocking client; use as a context manager.

    Every method raises Unavailable when Ray does not answer, Unauthenticated for the token, and
    Refused for what Ray refuses or no longer knows.
    """

    def __init__(self, settings: RaySettings, *, timeout_s: float = TIMEOUT_S) -> None:
        token = settings.token
        headers = {"Authorization": f"Bearer {token.get_secret_value()}"} if token else {}
        self._http = httpx.Client(
            base_url=settings.address.rstrip("/"), headers=headers, timeout=timeout_s
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def submit(self, job: str, entrypoint: str, environment: Mapping[str, str]) -> None:
        """Start a job of that name; safe to repeat: a second one of that name never starts."""
        body = {
            "submission_id": job,
            "entrypoint": entrypoint,
            "runtime_env": {"env_vars": dict(environment)},
        }
        try:
            self._call("POST", "/api/jobs/", json=body)
        except Refused as error:
            if _TAKEN not in error.message:
                raise

    def state(self, job: str) -> JobState:
        """How far it is."""
        found = self._call("GET", f"/api/jobs/{job}").json()
        message = str(found.get("message") or "").split("\n", maxsplit=1)[0]
        return JobState(str(found.get("status")), message)

    def log(self, job: str) -> str:
        """All that it has written so far."""
        return str(self._call("GET", f"/api/jobs/{job}/logs").json().get("logs") or "")

    def stop(self, job: str) -> None:
        """Ask Ray to end it; one that has ended stays as it is."""
        self._call("POST", f"/api/jobs/{job}/stop")

    def _call(self, method: str, path: str, **options: Any) -> httpx.Response:
        try:
            answer = self._http.request(method, path, **options)
        except httpx.HTTPError as error:
            raise Unavailable(
                f"no answer from Ray at {self._http.base_url}: {error}",
                field=ADDRESS,
                fix="is that its dashboard's address, and does it run?",
            ) from error
        if answer.status_code in (401, 403):
            raise Unauthenticated(
                f"Ray refuses the token: {_said(answer)}",
                field=variable("ray", "token"),
                fix="it is what RAY_AUTH_TOKEN says on Ray's own pods",
            )
        if answer.status_code >= 500 and _TAKEN not in answer.text:
            raise Unavailable(f"Ray answers {answer.status_code}: {_said(answer)}", field=ADDRESS)
        if not answer.is_success:
            raise Refused(f"Ray refuses {method} {path}: {_said(answer)}", field=ADDRESS)
        return answer


def _said(answer: httpx.Response) -> str:
    """The cause: the last line of a traceback."""
    lines = [line for line in answer.text.splitlines() if len(line.strip()) > 1]
    return (lines[-1].strip() if lines else str(answer.status_code))[:500]
