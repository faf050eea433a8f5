from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from mlplatform.client.pipelines import sample_row
from mlplatform.contracts.pipeline import PipelineDefinition
from mlplatform.features.checks import check
from mlplatform.features.parse import to_columns

EXAMPLES = sorted((Path(__file__).parents[3] / "pipelines").glob("*/pipeline.yaml"))


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.parent.name)
def test_sample_row_keeps_the_contract(file: Path) -> None:
    """The row that is made of a definition passes that definition's own parsing and checks."""
    definition = PipelineDefinition.parse(yaml.safe_load(file.read_text()))
    row = sample_row(definition)
    columns, faults = to_columns({name: [value] for name, value in row.items()}, definition.columns)

    assert [] == [*faults, *check(columns, definition.columns)]
