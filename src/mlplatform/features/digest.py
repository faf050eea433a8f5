"""The features digest: what a feature row was made by."""

from __future__ import annotations

import hashlib
import json

from mlplatform.contracts.pipeline import PipelineDefinition


def features_digest(definition: PipelineDefinition, source: bytes | None) -> str:
    """Hex SHA-256 over everything that decides about a feature row or an imported label.

    That is: the raw columns without descriptions and examples, target, key, time, weight, what is
    redacted, and the bytes of features.py (no file differs from an empty one). Gates, tuning and
    the like are not in it, so editing them costs no backfill. The target is, since etl reads the
    labels of history rows in the same pass.
    """
    decides = {
        "columns": [
            column.model_dump(mode="json", exclude={"description", "example"})
            for column in definition.columns
        ],
        "target": definition.target.model_dump(mode="json", include={"name", "dtype", "values"}),
        "key": definition.key,
        "time": definition.time,
        # Left out where there is none: digests from before there were weights stay the same.
        **({} if definition.weight is None else {"weight": definition.weight}),
        **({} if not definition.redact else {"redact": definition.redact}),
        "source": None if source is None else hashlib.sha256(source).hexdigest(),
    }
    text = json.dumps(
        decides, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False
    )
    return hashlib.sha256(text.encode()).hexdigest()
