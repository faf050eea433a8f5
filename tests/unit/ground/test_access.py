"""Bearer tokens: who is known, and what a role allows."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlplatform.access import (
    AccessList,
    Caller,
    Role,
    digest,
    new_run_token,
    new_token,
    run_of,
)
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


def test_the_token_of_a_run_is_for_its_pipeline_only() -> None:
    """Refusals name the pipeline that it is for; whoever begins runs is told where theirs are."""
    own = Caller(name="t", roles=(Role.RUN,), pipelines=("a",), sha256="0" * 64, run="r")
    trainer = Caller(name="t", roles=(Role.TRAINER,), sha256="0" * 64)
    own.require([Role.READER, Role.RUN], "a")
    with pytest.raises(Forbidden, match="for a run of pipeline 'a', not for 'b'"):
        own.require([Role.RUN], "b")
    with pytest.raises(Forbidden, match="needs role trainer on pipeline 'a'"):
        own.require([Role.TRAINER], "a")
    with pytest.raises(Forbidden, match="needs role reader or run on pipeline 'a'") as raised:
        trainer.require([Role.READER, Role.RUN], "a")

    assert raised.value.fix.startswith("take the pipeline's lease")


def test_the_token_of_a_run_begins_with_its_id() -> None:
    """Any other token has none."""
    run = "0123456789abcdef" * 2
    token = new_run_token(run)

    assert run == run_of(token)
    assert token != new_run_token(run)
    assert [None] * 5 == [
        run_of(other) for other in (new_token(), "", token[1:], token + "=", token.upper())
    ]


@pytest.mark.parametrize("entry", ["roles: [reader, run]", "roles: [reader], run: abc"])
def test_no_file_gives_the_token_of_a_run(tmp_path: Path, entry: str) -> None:
    """Role and run come with a lease alone; the refusal names the entry and the way out."""
    path = tmp_path / "tokens.yaml"
    path.write_text(f"tokens:\n- {{name: ann, {entry}, sha256: '{'0' * 64}'}}")
    with pytest.raises(SettingsError, match=r"line 2: token 'ann': (roles|run): ") as raised:
        AccessList.load(path)

    assert "give role trainer" in raised.value.fix


def test_what_only_admin_may_do_says_so() -> None:
    """Admin stands in no list of roles: where the list is empty, its name is told."""
    with pytest.raises(Forbidden, match="needs role admin on pipeline 'a'"):
        Caller(name="t", roles=(Role.READER,), sha256="0" * 64).require([], "a")
