from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from mlplatform.access import AccessList, Role
from mlplatform.cli import tokens
from mlplatform.errors import InvalidInput


def test_new_token_opens_the_door(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """The printed entry in a token file admits the printed token with the roles requested."""
    tokens.new("bot", role=["predict", "reader"], pipeline=["diabetes"], as_json=True)
    made = json.loads(capsys.readouterr().out)
    (tmp_path / "access.yaml").write_text(yaml.safe_dump({"tokens": [made["entry"]]}))
    caller = AccessList.load(tmp_path / "access.yaml").authenticate(f"Bearer {made['token']}")

    assert (caller.name, caller.roles, caller.pipelines) == (
        "bot",
        (Role.PREDICT, Role.READER),
        ("diabetes",),
    )
    assert made["token"] not in json.dumps(made["entry"])


def test_plain_output_is_yaml_for_the_file(capsys: pytest.CaptureFixture[str]) -> None:
    """What is printed for people ends with an entry that can be pasted."""
    tokens.new("bot", role=["admin"])
    entry = yaml.safe_load(capsys.readouterr().out.partition("start):\n\n")[2])

    assert ("bot", ["admin"]) == (entry[0]["name"], entry[0]["roles"])


@pytest.mark.parametrize(
    ("name", "role", "said"),
    [
        ("bot", "king", "no role 'king'"),
        ("bot", "run", "no role .run."),
        ("", "admin", "is not a name"),
        ("a b", "admin", "is not a name"),
    ],
)
def test_nonsense_is_refused(name: str, role: str, said: str) -> None:
    """Unknown roles and unusable names are refused by name."""
    with pytest.raises(InvalidInput, match=said):
        tokens.new(name, role=[role])
