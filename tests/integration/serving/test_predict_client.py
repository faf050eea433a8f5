"""`PlatformClient.predict` against a real serving process: a table of any length, stored once."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from standalone_child import environment, served

import mlplatform
from mlplatform.client.platform_client import PlatformClient
from mlplatform.client.serving import ServingClient
from mlplatform.contracts.request import RequestRecord, decode
from mlplatform.errors import InvalidInput, Unauthenticated, Unavailable, UnknownName
from mlplatform.outbox import OutboxReader

ROWS = 10_000
NUMBERS = ["age", "bmi", "dose"]
BLOCKED = """
import sys
for name in ("pyarrow", "pandas", "polars", "mlflow", "psycopg", "sklearn", "onnxruntime", "skops",
             "kafka", "crc32c", "orjson", "dulwich", "grpc", "google.protobuf"):
    sys.modules[name] = None
import mlplatform
with mlplatform.connect("http://127.0.0.1:1", serving_url=sys.argv[1]) as platform:
    row = {"age": 52, "bmi": None, "dose": 0.5, "city": "Bern"}
    print(len(platform.predict("risk", [row, row])))
"""


def table(rows: int, seed: int) -> pd.DataFrame:
    """Whole and broken numbers and texts, the latter two with nulls."""
    draw = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "age": draw.integers(18, 90, rows),
            "bmi": draw.normal(27, 4, rows),
            "dose": draw.normal(size=rows),
            "city": draw.choice(["Bern", "Zürich", "St. Gallen"], rows),
        }
    )
    frame.loc[draw.random(rows) < 0.1, "bmi"] = np.nan
    return frame.assign(city=frame["city"].where(draw.random(rows) > 0.1, None))


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the model folder `risk`."""
    home = tmp_path_factory.mktemp("risk")
    frame = table(300, 1)
    columns = make_column_transformer(
        (SimpleImputer(), NUMBERS), (OneHotEncoder(handle_unknown="ignore"), ["city"])
    )
    truth = np.where(frame["age"] + frame["dose"] * 9 > 50, "ill", "well")
    model = make_pipeline(columns, LogisticRegression(max_iter=9_999))
    joblib.dump(model.fit(frame.fillna({"city": "none"}), truth), home / "risk.joblib")
    frame.assign(target=truth).to_csv(home / "rows.csv", index=False)
    words = ["package", "risk.joblib", "risk", "--example", "rows.csv"]
    subprocess.run(
        [sys.executable, "-m", "mlplatform", *words], cwd=home, env=environment(), check=True
    )
    return home


@pytest.fixture(scope="module")
def url(home: Path) -> Iterator[str]:
    """A serving process of it, with an outbox."""
    with served(home / "risk", "--outbox", home / "kept") as url:
        yield url


@pytest.fixture
def platform(url: str) -> Iterator[PlatformClient]:
    """A client of it, without a data API."""
    with mlplatform.connect("http://127.0.0.1:1", serving_url=url) as platform:
        yield platform


def records(home: Path) -> list[RequestRecord]:
    """What was stored."""
    reader = OutboxReader.open(home / "kept")
    found = [decode(record.payload) for record in reader.read(1_000_000, 1 << 30)]
    reader.close()
    return found


def test_ten_thousand_rows_are_answered_as_alone_and_stored_once(
    platform: PlatformClient, url: str, home: Path
) -> None:
    """The answers are those of plain rows; every row is stored once, under the id that it has."""
    frame = table(ROWS, 2)
    whole = frame.dropna().reset_index(drop=True)
    found = platform.predict("risk", frame, client_id="nightly")
    kept = {each.request_id: each for each in records(home) if each.client_id == "nightly"}
    rows = frame.astype(object).where(frame.notna(), None).to_dict("records")
    with ServingClient(url, None) as client:
        plain = [
            client.predict("risk", rows[first : first + 1_000]) for first in range(0, ROWS, 1_000)
        ]

    assert [each for answer in plain for each in answer.predictions] == found.predictions
    chances = [
        row[name] for answer in plain for row in answer.probabilities for name in found.classes
    ]
    assert np.array(chances).reshape(ROWS, 2) == pytest.approx(found.probabilities, abs=1e-6)
    assert Counter(found.request_ids) == {each.request_id: each.rows for each in kept.values()}
    stored = [
        {name: kept[request].inputs[name][place] for name in frame}
        for request, place in zip(found.request_ids, found.places, strict=True)
    ]
    assert rows == stored
    for other in (pa.Table.from_pandas(frame), rows):
        assert found.predictions == platform.predict("risk", other).predictions
    assert (
        platform.predict("risk", whole).probabilities
        == found.probabilities[frame.notna().all(axis=1)]
    ).all()


def test_the_core_package_is_enough(url: str) -> None:
    """Lists of dicts are predicted where no library of an extra can be imported."""
    done = subprocess.run(
        [sys.executable, "-c", BLOCKED, url], capture_output=True, text=True, check=False
    )

    assert (0, "2\n") == (done.returncode, done.stdout), done.stderr


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"age": 5.5}, r"age\[3456\]"),
        ({"city": 7}, r"city\[3456\]"),
        ({"bmi": float("inf")}, r"bmi\[3456\]"),
    ],
)
def test_a_wrong_value_is_named_by_column_and_row(
    platform: PlatformClient, change: dict[str, Any], said: str
) -> None:
    """Of the whole table, wherever it was cut."""
    rows = table(4_000, 3).fillna({"bmi": 20.0, "city": "Bern"}).to_dict("records")
    rows[3456] |= change

    with pytest.raises(InvalidInput, match=said):
        platform.predict("risk", rows)


def test_wrong_names_say_what_there_is(platform: PlatformClient, url: str) -> None:
    """An unknown pipeline, a column too much, a platform that is away."""
    frame = table(2, 4)
    with pytest.raises(UnknownName, match="nothing"):
        platform.predict("nothing", frame)
    with pytest.raises(InvalidInput, match="unknown column target") as told:
        platform.predict("risk", frame.assign(target=1))
    assert "columns are age, bmi, dose, city" in told.value.fix
    away = mlplatform.connect(url, serving_url="http://127.0.0.1:1")
    with away, pytest.raises(Unavailable, match=r"127\.0\.0\.1:1") as told:
        away.predict("risk", frame)
    assert "mlplatform status" in told.value.fix


def test_a_wrong_token_is_refused(shared: Any) -> None:
    """With what to do about it."""
    url = str(shared.http.base_url)
    wrong = mlplatform.connect(url, serving_url=url, token="wrong")
    with wrong, pytest.raises(Unauthenticated, match="unknown") as told:
        wrong.predict("ward", [{"age": 1}])

    assert "token" in told.value.fix
