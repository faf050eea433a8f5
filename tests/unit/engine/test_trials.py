"""Loads and trials of models in child processes with limits."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import hostile_models
import numpy as np
import pytest
import skops.io
from children import children
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from mlplatform.contracts.columns import Feature
from mlplatform.contracts.model import Signature
from mlplatform.engine import trial_process
from mlplatform.engine.limits import TrialLimits
from mlplatform.engine.skops import frame, load
from mlplatform.engine.skops_file import build
from mlplatform.engine.trials import Trials
from mlplatform.errors import IntegrityFailure, UnfitModel

MEMORY = 256 << 20
TOYS = hostile_models.regression()
FEATURES = tuple(Feature(name=column.name, dtype=column.dtype) for column in TOYS.columns)


def _run(
    folder: Path, data: bytes, kind: str, *, time_s: float = 60.0, source: bytes | None = None
) -> int:
    hostile_models.store(folder, data, TOYS, kind)
    trials = Trials(TrialLimits(time_s, MEMORY), trusted=())
    return trials.run(folder, source, name="version 7 of 'toys'")


def _encoded(**options: str) -> bytes:
    """A fitted pipeline as skops, its encoder with these options."""
    return _fitted(ColumnTransformer([("c", OneHotEncoder(**options), ["colour"])]))


def _fitted(columns: ColumnTransformer) -> bytes:
    numbers = np.array([1.0, 2.0])
    colours = np.array(["red", "blue"], object)
    rows = frame({"size": numbers, "mass": numbers, "colour": colours}, FEATURES)
    return bytes(skops.io.dumps(make_pipeline(columns, Ridge()).fit(rows, numbers)))


def test_a_sound_model_passes_and_its_padding_is_known(tmp_path: Path) -> None:
    """Rows that are alike alone and in batches need the least padding."""
    assert 2 == _run(tmp_path, hostile_models.identity(), "onnx")


def test_a_child_that_waits_is_taken_for_the_first_trial_only(tmp_path: Path) -> None:
    """It imports before there is a request; a second trial gets a process of its own."""
    hostile_models.store(tmp_path, hostile_models.identity(), TOYS, "onnx")
    waiting = trial_process.start()
    trials = Trials(TrialLimits(60.0, MEMORY), trusted=(), waiting=waiting)

    assert 2 == trials.run(tmp_path, None)
    assert waiting.returncode is not None
    assert 2 == trials.run(tmp_path, None)


def test_a_child_that_waits_ends_with_its_parent() -> None:
    """Nothing is left of a command that ends before it has a request."""
    with trial_process.start() as waiting:
        waiting.communicate(timeout=60.0)

    assert 0 == waiting.returncode


def test_a_child_that_has_waited_too_long_is_replaced(tmp_path: Path) -> None:
    """It ends by itself after a minute; the next trial does not need it."""
    hostile_models.store(tmp_path, hostile_models.identity(), TOYS, "onnx")
    waiting = trial_process.start()
    waiting.send_signal(signal.SIGALRM)  # as its timer does
    waiting.wait(60.0)
    trials = Trials(TrialLimits(60.0, MEMORY), trusted=(), waiting=waiting)

    assert 2 == trials.run(tmp_path, None)


def test_a_stop_ends_a_child_that_waits() -> None:
    """So that a process which ends leaves none behind."""
    with trial_process.start() as waiting:
        Trials(TrialLimits(60.0, MEMORY), trusted=(), waiting=waiting).stop()

    assert -9 == waiting.returncode


def test_a_load_that_never_ends_is_ended(tmp_path: Path) -> None:
    """A loop of 2^62 trips costs its time limit, and the error names version and setting."""
    with pytest.raises(UnfitModel, match=r"version 7 of 'toys'.*within 2 s.*LOAD_S"):
        _run(tmp_path, hostile_models.endless(), "onnx", time_s=2.0)


def test_a_model_that_takes_all_memory_is_ended(tmp_path: Path) -> None:
    """Eight gigabytes out of a small file are refused at the limit."""
    with pytest.raises(UnfitModel, match=r"version 7 of 'toys'"):
        _run(tmp_path, hostile_models.greedy(), "onnx")


def test_features_code_that_takes_all_memory_is_ended(tmp_path: Path) -> None:
    """The limit counts what features.py takes, and the error names it."""
    source = b"import numpy\ndef engineer(columns):\n    return {'a': numpy.ones(2**31)}\n"
    small = b"def engineer(columns):\n    return {'size': columns['size']}\n"
    hostile_models.store(tmp_path, hostile_models.identity(), TOYS, "onnx", source=small)

    trials = Trials(TrialLimits(60.0, MEMORY), trusted=())
    with pytest.raises(UnfitModel):
        trials.run(tmp_path, source, name="x")


def test_a_zip_bomb_is_refused_before_it_is_unpacked() -> None:
    """A megabyte that unpacks to a gigabyte is judged by the sizes that the file declares."""
    with pytest.raises(IntegrityFailure, match="unpack to 1073741826"):
        build(hostile_models.bomb(), ())


def test_a_damaged_skops_file_is_one_error_wherever_the_damage_is(tmp_path: Path) -> None:
    """Truncations and flipped bits all over the file end as IntegrityFailure or change nothing."""
    whole = _encoded(handle_unknown="ignore")
    step = len(whole) // 150
    damaged = [whole[:end] for end in range(0, len(whole), step * 4)]
    damaged += [
        whole[:at] + bytes([whole[at] ^ 0x40]) + whole[at + 1 :]
        for at in range(0, len(whole), step)
    ]
    hostile_models.store(tmp_path, whole, TOYS, "skops")
    form = Signature.model_validate_json((tmp_path / "signature.json").read_bytes())
    foreign = []
    for data in damaged:
        try:
            load(data, form, ())
        except IntegrityFailure:
            continue
        except Exception as error:  # noqa: BLE001 - what must not be
            foreign.append(error)

    assert [] == foreign


def test_a_damaged_skops_file_is_unfit(tmp_path: Path) -> None:
    """What is damaged, and was damaged before its digest was taken, ends as our error."""
    with pytest.raises(UnfitModel, match=r"version 7 of 'toys'.*skops file can't be read"):
        _run(tmp_path, _encoded(handle_unknown="ignore")[:-40], "skops")


def test_a_refused_row_is_named_with_the_way_out(tmp_path: Path) -> None:
    """An encoder that refuses unseen text: the row, its reason, and how to declare or handle it."""
    with pytest.raises(UnfitModel) as caught:
        _run(tmp_path, _encoded(), "skops")

    assert [True] * 5 == [
        part in str(caught.value)
        for part in (
            "version 7 of 'toys'",
            "colour='a'",
            "unknown categories",
            "`values` for 'colour'",
            "handle_unknown",
        )
    ]


def test_only_the_columns_to_blame_are_named_where_known_rows_tell(tmp_path: Path) -> None:
    """`size` has no declared text, `mass` may be null: only `colour` is refused by itself."""
    hostile_models.store(tmp_path, _encoded(), TOYS, "skops")
    known = {
        "size": np.array([1.0, 2.0]),
        "mass": np.array([1.0, np.nan]),
        "colour": np.array(["green", "red"], object),
    }
    trials = Trials(TrialLimits(60.0, MEMORY), trusted=())
    with pytest.raises(UnfitModel) as unfit:
        trials.run(tmp_path, None, known=known)

    assert unfit.value.message.endswith("to blame is colour")
    assert unfit.value.fix.endswith("before the estimator): `values` for 'colour'")


def test_a_refused_null_is_named_with_the_way_out(tmp_path: Path) -> None:
    """A regression without an imputer refuses the null that a nullable column allows."""
    model = _fitted(ColumnTransformer([("n", "passthrough", ["size", "mass"])]))

    with pytest.raises(UnfitModel, match=r"(?s)mass=null.*`nullable: false` for 'mass'"):
        _run(tmp_path, model, "skops")


def test_a_stop_ends_the_trials_that_run(tmp_path: Path) -> None:
    """A process that ends does not wait for the time limit of a load."""
    hostile_models.store(tmp_path, hostile_models.endless(), TOYS, "onnx")
    trials = Trials(TrialLimits(600.0, MEMORY), trusted=())
    ended: list[Exception] = []

    def run() -> None:
        try:
            trials.run(tmp_path, None, name="x")
        except UnfitModel as error:
            ended.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    while not children(os.getpid()):
        time.sleep(0.01)
    trials.stop()
    thread.join(60)

    assert (False, 1, set()) == (thread.is_alive(), len(ended), children(os.getpid()))
