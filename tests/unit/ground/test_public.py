"""`import mlplatform` is light, and `connect` needs the core package only."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import mlplatform
from mlplatform.client.platform_client import PlatformClient
from mlplatform.errors import Refused, SettingsError

HEAVY = ("pyarrow", "pandas", "polars", "mlflow", "psycopg", "sklearn", "onnxruntime", "kafka")


def loaded(program: str) -> set[str]:
    """The modules that a fresh Python has after it."""
    code = f"{program}\nimport sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_importing_the_package_imports_nothing_else() -> None:
    """Every process imports it, serving among them: no module of ours comes along."""
    found = loaded("import mlplatform")

    assert ["mlplatform"] == [name for name in sorted(found) if name.startswith("mlplatform")]


def test_connect_needs_the_core_package_only() -> None:
    """Its module loads no library of an extra."""
    found = loaded("import mlplatform; mlplatform.connect")

    assert "mlplatform.client.platform_client" in found
    assert set() == found & set(HEAVY)


def test_what_is_not_offered_is_no_attribute() -> None:
    """As of any module, so that `hasattr` and star imports work."""
    assert not hasattr(mlplatform, "connects")
    assert {"connect", "__version__"} == set(mlplatform.__all__)


def test_without_a_stack_the_error_says_how_to_get_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a folder without a local stack, and for a home that is none."""
    monkeypatch.chdir(tmp_path)
    for home in (None, tmp_path / "home"):
        with pytest.raises(Refused, match="mlplatform up") as told:
            mlplatform.connect(home=home)
        assert "home" == told.value.field


def test_a_token_alone_is_refused() -> None:
    """It belongs to an address: the local stack has tokens of its own."""
    with pytest.raises(SettingsError, match="give url="):
        mlplatform.connect(token="t")


def test_a_platform_elsewhere_is_not_called_yet() -> None:
    """Connecting only makes the clients."""
    with mlplatform.connect("http://127.0.0.1:1", token="t", serving_url="http://x") as platform:
        assert isinstance(platform, PlatformClient)


def test_predictions_need_the_address_of_serving() -> None:
    """The error names the argument, not a URL that nobody gave."""
    with (
        mlplatform.connect("http://127.0.0.1:1") as platform,
        pytest.raises(SettingsError, match="serving_url"),
    ):
        platform.predict("flights", [{"a": 1}])
