"""Bearer tokens: who is known, and what a role allows."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlplatform.access import AccessList, Caller, Role, digest, new_token
from mlplatform.errors import Forbidden, SettingsError, Unauthenticated


def _list(token: str, *roles: Role, pipelines: tuple[str, ...] = ("*",)) -> AccessList:
    return AccessList([Caller(name="ann", roles=roles, pipelines=pipelines, sha256=digest(token))])


def test_known_token_gives_its_caller() -> None:
    """The caller of a token is found by its digest."""
    token = new_token()

    assert "ann" == _list(token, Role.READER).authenticate(f"Bearer {token}").name


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer ", "Basic abc", "Bearer wrong"])
def test_other_headers_are_refused(header: str | None) -> None:
    """A missing, malformed or unknown token is Unauthenticated, never anonymous."""
    with pytest.raises(Unauthenticated):
        _list("right", Role.READER).authenticate(header)


def test_role_and_pipeline_are_both_asked() -> None:
    """A role counts only on the pipelines of its entry."""
    caller = Caller(name="ann", roles=(Role.PREDICT,), pipelines=("diabetes",), sha256=digest("x"))

    assert caller.may([Role.PREDICT], "diabetes")
    assert not caller.may([Role.PREDICT], "breast-cancer")
    with pytest.raises(Forbidden, match="needs role predict on pipeline 'breast-cancer'"):
        caller.require([Role.PREDICT], "breast-cancer")


def test_admin_holds_every_role_but_only_on_its_pipelines() -> None:
    """Admin stands in for every role; the pipeline list still binds."""
    caller = Caller(name="root", roles=(Role.ADMIN,), pipelines=("a-b",), sha256=digest("x"))

    assert caller.may([Role.TRAINER], "a-b")
    assert not caller.may([Role.TRAINER], "c-d")


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("[]", "'tokens'"),
        (
            "tokens: [{name: ann, roles: [king], sha256: '" + "0" * 64 + "'}]",
            "token 'ann': roles.0",
        ),
        (
            "tokens:\n- name: ann\n  roles: [reader]\n  roles: [admin]\n  sha256: '"
            + "0" * 64
            + "'",
            "tokens.yaml, line 4: roles is given twice, first in line 3",
        ),
        (
            "tokens:\n- {name: ann, roles: [reader]}\n- {name: bo, role: reader}",
            "tokens.yaml, line 2: token 'ann': sha256: Field required",
        ),
        ("tokens:\n- name: no", "tokens.yaml, line 2: no may mean false or the text"),
        ("tokens: [{name: ann, roles: [reader], sha256: plain-text}]", "token 'ann': sha256"),
        ("tokens: {", "can't read"),
    ],
)
def test_broken_token_file_names_the_entry(tmp_path: Path, text: str, names: str) -> None:
    """A token file that makes no sense is refused, naming entry and key."""
    path = tmp_path / "tokens.yaml"
    path.write_text(text)

    with pytest.raises(SettingsError, match="tokens") as refusal:
        AccessList.load(path)

    assert names in str(refusal.value)


def test_file_keeps_no_token_in_clear(tmp_path: Path) -> None:
    """What is stored is the digest; the token itself still authenticates."""
    token = new_token()
    path = tmp_path / "tokens.yaml"
    path.write_text(f"tokens: [{{name: ann, roles: [reader], sha256: {digest(token)}}}]")

    assert token not in path.read_text()
    assert "ann" == AccessList.load(path).authenticate(f"bearer {token}").name
