"""One model without the rest of the platform: packaged, served, and refused where it must be."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from standalone_child import environment, served

from mlplatform.client.serving import ServingClient
from mlplatform.contracts.request import decode
from mlplatform.outbox import OutboxReader


def table() -> pd.DataFrame:
    """Rows of mixed columns; the target depends on two of them."""
    draw = np.random.default_rng(3)
    frame = pd.DataFrame(
        {
            "age": draw.integers(18, 90, 120),
            "bmi": draw.normal(27, 4, 120).round(1),
            "city": draw.choice(["Bern", "Basel", "Chur"], 120),
            "smoker": draw.random(120) < 0.3,
        }
    )
    return frame.assign(sick=(frame["bmi"] > 27) & (frame["age"] > 40))


def run(*words: str | Path, **settings: str) -> subprocess.CompletedProcess[str]:
    """The command line, to its end."""
    argv = [sys.executable, "-m", "mlplatform", *map(str, words)]
    given = environment() | {f"MLPLATFORM_{name}": value for name, value in settings.items()}
    return subprocess.run(argv, capture_output=True, text=True, check=False, env=given, timeout=120)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a fitted forest, example rows, and the model folder `risk` made of both."""
    home = tmp_path_factory.mktemp("shop")
    frame = table()
    columns = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), ["city"]), remainder="passthrough"
    )
    forest = make_pipeline(columns, RandomForestClassifier(8, random_state=0))
    joblib.dump(forest.fit(frame.drop(columns="sick"), frame["sick"]), home / "risk.joblib")
    frame.to_csv(home / "rows.csv", index=False)
    made = run(
        "package", home / "risk.joblib", home / "risk",
        "--example", home / "rows.csv", "--target", "sick",
    )  # fmt: skip
    assert 0 == made.returncode, made.stderr
    assert "risk is in" in made.stdout
    return home


def test_a_packaged_model_answers_as_scikit_learn_does(shop: Path) -> None:
    """What is served is the model that was packaged, bool classes and all; requests are kept."""
    frame = table().drop(columns="sick")
    expected = joblib.load(shop / "risk.joblib").predict_proba(frame)
    rows = frame.to_dict("records")
    kept = ("--outbox", shop / "kept")
    with served(shop / "risk", *kept) as url, ServingClient(url, None) as client:
        answer = client.predict("risk", rows)
    reader = OutboxReader.open(shop / "kept")
    records = [decode(record.payload) for record in reader.read(10, max_bytes=1 << 20)]
    reader.close()

    assert expected[:, 1] == pytest.approx(
        np.array([row["true"] for row in answer.probabilities or ()]), abs=1e-5
    )
    assert {True, False} == set(answer.predictions)
    assert [answer.id] == [record.request_id for record in records]


def test_without_an_outbox_nothing_is_kept(shop: Path) -> None:
    """`--no-outbox` writes no file, and answers all the same."""
    before = sorted(shop.iterdir())
    row = table().drop(columns="sick").iloc[0].to_dict()
    with served(shop / "risk", "--no-outbox") as url, ServingClient(url, None) as client:
        answer = client.predict("risk", [row | {"smoker": bool(row["smoker"])}])

    assert 1 == len(answer.predictions)
    assert sorted({*before, shop / "serve.log"}) == sorted(shop.iterdir())


def test_a_changed_file_is_not_served(shop: Path) -> None:
    """The manifest is compared, and a digest that the caller insists on too."""
    copy = shutil.copytree(shop / "risk", shop / "changed")
    (copy / "model.onnx").write_bytes((copy / "model.onnx").read_bytes() + b"\0")
    changed = run("serve", copy, "--no-outbox", "--port", "0")
    other = run("serve", shop / "risk", "--no-outbox", "--port", "0", "--manifest", "0" * 64)

    assert (1, 1) == (changed.returncode, other.returncode)
    assert "model.onnx has" in changed.stderr
    assert "the record says 000000" in other.stderr


@pytest.mark.parametrize(
    ("durability", "words", "said"),
    [
        ("replicated", [], "nothing sends requests"),
        ("replicated", ["--no-outbox"], "nothing sends requests"),
        ("interval", ["--no-outbox"], "stores none"),
    ],
)
def test_what_would_be_promised_in_vain_is_refused(
    shop: Path, durability: str, words: list[str], said: str
) -> None:
    """A durability that can't be kept: without a shipper, or without an outbox."""
    refused = run("serve", shop / "risk", *words, SERVING__DURABILITY=durability)

    assert 0 != refused.returncode
    assert said in refused.stderr
    assert "MLPLATFORM_SERVING__DURABILITY" in refused.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["serve", "{shop}/risk", "--host", "0.0.0.0"], "no token would be asked for"),
        (["serve", "{shop}/nothing"], "there is no folder"),
        (["serve", "{shop}"], "not a model folder"),
        (["serve", "{shop}/risk", "--outbox", "x", "--no-outbox"], "either"),
        (["package", "{shop}/risk.joblib", "{shop}/risk", "--example", "x"], "is there already"),
        (["package", "{shop}/none.joblib", "{shop}/new", "--example", "x"], "there is no file"),
        (["package", "{shop}/rows.csv", "{shop}/new", "--example", "x"], "can't get the model"),
        (["package", "{shop}/risk.joblib", "{shop}/No_Name", "--example", "x"], "can't be called"),
    ],
)
def test_what_can_not_be_is_one_line(shop: Path, words: list[str], said: str) -> None:
    """An error names what is wrong and the way out; nothing is left behind."""
    refused = run(*(word.format(shop=shop) for word in words))

    assert refused.returncode != 0
    assert said in refused.stderr
    assert "Traceback" not in refused.stderr
    assert not (shop / "new").exists()
