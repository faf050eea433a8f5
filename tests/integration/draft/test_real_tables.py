"""A pipeline that `new` writes for a real table is sound, and a model of it would be served."""

from __future__ import annotations

from pathlib import Path

import pytest
from real_tables import TABLES

from mlplatform.cli.rows import rows_in
from mlplatform.draft.make import draft, write
from mlplatform.draft.plan import Choice
from mlplatform.settings import RegistrySettings
from mlplatform.source.pipeline_files import read
from mlplatform.trainer.rehearsal import rehearse


@pytest.mark.parametrize("name", TABLES)
def test_a_draft_is_applied_and_trained(name: str, tmp_path: Path) -> None:
    """No row of the file is refused, the model is proven equal as ONNX, and the cases hold."""
    table, target = TABLES[name]()
    table.to_csv(tmp_path / "rows.csv", index=False)
    made = draft(name, tmp_path / "rows.csv", Choice(target=target), lambda *_: None)
    write(made, tmp_path / name)
    files = read(tmp_path / name)
    rows = rows_in(tmp_path / "rows.csv", files.definition)
    found = rehearse(files, rows, RegistrySettings(), tmp_path / "model")

    assert (len(table), "onnx") == (found.rows, found.format)
    assert set(found.metrics) >= {made.found.metric}
