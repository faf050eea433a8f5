"""Bearer tokens: who is calling, and what may they do.

A token file (YAML or JSON, a mounted Secret on a cluster) lists callers. Only the SHA-256 of a
token is stored: tokens are 256 random bits, so a plain digest can't be searched. Comparison is
constant-time over every entry. The file is read once; a changed file needs a restart (a rolling one
on a cluster).

The token of a training run stands in no file: the data API makes it with the lease and knows it by
the run's id, which it begins with.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Sequence
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mlplatform import strict_yaml
from mlplatform.errors import Forbidden, InvalidInput, SettingsError, Unauthenticated

_RUN_TOKEN = re.compile(r"run-([0-9a-f]{32})-[A-Za-z0-9_-]{43}")


class Role(StrEnum):
    """What a caller may do. A role allows only what its line says; `admin` allows everything."""

    PREDICT = "predict"  # ask serving for predictions
    READER = "reader"  # read datasets, models, quarantine
    WRITER = "writer"  # add rows and labels
    SERVING = "serving"  # read promotions, report outboxes
    TRAINER = "trainer"  # start trainings, take a lease, which gives a run its own token
    RUN = "run"  # read a pipeline's datasets, register and propose its versions; never in a file
    APPROVER = "approver"  # approve, promote, roll back
    RETENTION = "retention"  # remove what is past its days, and nothing else
    AUDITOR = "auditor"  # read all stored records with their proof, for `mlplatform audit`
    ADMIN = "admin"  # everything


class Caller(BaseModel):
    """One entry of the token file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(
        min_length=1, max_length=64, description="Appears in logs, ledger and stored requests."
    )
    roles: tuple[Role, ...] = Field(min_length=1)
    pipelines: tuple[str, ...] = Field(
        default=("*",), description="Pipelines this caller may touch; `*` means all."
    )
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$", description="Hex SHA-256 of the token.")
    run: str = Field(default="", description="The one run that this token is for; empty: none.")

    def may(self, roles: Sequence[Role], pipeline: str | None = None) -> bool:
        """Whether the caller has one of `roles` (or is admin), for `pipeline` if one is named."""
        holds = Role.ADMIN in self.roles or any(role in self.roles for role in roles)
        return holds and (pipeline is None or "*" in self.pipelines or pipeline in self.pipelines)

    def require(self, roles: Sequence[Role], pipeline: str | None = None) -> None:
        """Raise Forbidden unless `may`."""
        if self.may(roles, pipeline):
            return
        if self.run and pipeline is not None and pipeline not in self.pipelines:
            raise Forbidden(
                f"this token is for a run of pipeline '{self.pipelines[0]}', not for '{pipeline}'",
                field="authorization",
            )
        needed = " or ".join(roles or [Role.ADMIN])
        on = f" on pipeline '{pipeline}'" if pipeline else ""
        lease = Role.RUN in roles and Role.TRAINER in self.roles
        raise Forbidden(
            f"'{self.name}' may not do this: it needs role {needed}{on}",
            field="authorization",
            fix="take the pipeline's lease: its answer has the token of the run" if lease else "",
        )


ANONYMOUS = Caller(name="anonymous", roles=(Role.PREDICT,), sha256="0" * 64)
"""The caller where `auth: none` was chosen."""


class AccessList:
    """The callers of a token file.

    Safe to share between threads; lookups are cached by token digest.
    """

    def __init__(self, callers: Sequence[Caller]) -> None:
        self._callers = tuple(callers)
        self._find = lru_cache(maxsize=1024)(self._search)

    @classmethod
    def load(cls, path: Path) -> AccessList:
        """Read the token file. Raises SettingsError naming the entry at fault."""
        try:
            document = strict_yaml.read(path.read_bytes(), where=str(path))
        except OSError as error:
            raise SettingsError(
                f"can't read the token file {path}: {error}", field="access.tokens_file"
            ) from error
        except InvalidInput as error:
            raise SettingsError(
                f"can't read the token file {error.message}",
                field="access.tokens_file",
                fix=error.fix,
            ) from error
        entries = _entries(document.content, path)
        return cls([_caller(entry, document, index) for index, entry in enumerate(entries)])

    def authenticate(self, authorization: str | None) -> Caller:
        """The caller behind an `Authorization: Bearer …` header. Raises Unauthenticated."""
        caller = self._find(digest(bearer(authorization)))
        if caller is None:
            raise Unauthenticated(
                "this token is unknown",
                field="authorization",
                fix="send one of the server's token file; `mlplatform tokens new` makes another",
            )
        return caller

    def _search(self, sha256: str) -> Caller | None:
        found = None
        for caller in self._callers:  # no early exit: its timing would show which entry matched
            if hmac.compare_digest(caller.sha256, sha256):
                found = caller
        return found


def bearer(authorization: str | None) -> str:
    """The token of an `Authorization: Bearer …` header. Raises Unauthenticated."""
    scheme, _, token = (authorization or "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise Unauthenticated(
            "a bearer token is needed",
            field="authorization",
            fix="send 'Authorization: Bearer <token>'",
        )
    return token.strip()


def digest(token: str) -> str:
    """Hex SHA-256 of a token, the only form that is stored."""
    return hashlib.sha256(token.encode()).hexdigest()


def new_token() -> str:
    """256 random bits, URL-safe."""
    return secrets.token_urlsafe(32)


def new_run_token(run: str) -> str:
    """A token of the run with that id (32 hex digits): the id, which is no secret, and 256 bits."""
    return f"run-{run}-{new_token()}"


def run_of(token: str) -> str | None:
    """The id of the run that a token says it is of; None for the token of a file."""
    found = _RUN_TOKEN.fullmatch(token)
    return found[1] if found else None


def _entries(document: Any, path: Path) -> list[Any]:
    if not isinstance(document, dict) or not isinstance(document.get("tokens"), list):
        raise SettingsError(
            f"{path} must hold a list under the key 'tokens'", field="access.tokens_file"
        )
    return list(document["tokens"])


def _caller(entry: Any, document: strict_yaml.YamlDocument, index: int) -> Caller:
    try:
        caller = Caller.model_validate(entry)
    except ValidationError as error:
        name = entry.get("name", "?") if isinstance(entry, dict) else "?"
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        place = document.place(("tokens", index, *first["loc"]))
        raise SettingsError(
            f"{place}: token '{name}': {where}: {first['msg']}", field="access.tokens_file"
        ) from error
    if caller.run or Role.RUN in caller.roles:
        what = "run" if caller.run else "roles"
        raise SettingsError(
            f"{document.place(('tokens', index, what))}: token '{caller.name}': {what}: a run gets"
            " its token with the lease of its pipeline",
            field="access.tokens_file",
            fix="give role trainer, which may take the lease; or reader, to read datasets",
        )
    return caller
