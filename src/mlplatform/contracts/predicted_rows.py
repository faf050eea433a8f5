"""What serving answers to plain rows."""

from __future__ import annotations

from pydantic import Field

from mlplatform.contracts.frozen import FrozenAnswer


class PredictedRows(FrozenAnswer):
    """Predictions, one per row that was sent, in that order."""

    id: str = Field(description="Id of the request, under which its labels are sent.")
    model: str
    version: str = Field(description="Version that answered.")
    client_id: str | None = Field(default=None, description="The id that the client gave.")
    predictions: list[str | int | float | bool]
    probabilities: list[dict[str, float]] | None = Field(
        default=None, description="Class -> probability; classifications only."
    )
