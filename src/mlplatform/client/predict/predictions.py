"""What a call of `predict` gives: an answer per row, and the requests that hold them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from mlplatform.client.files import extras
from mlplatform.client.row_table import listed, plain
from mlplatform.contracts.labels import RowLabel
from mlplatform.errors import InvalidInput

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class AnsweredRequest:
    """One request: rows `first` to `first + rows - 1` of those that were given."""

    id: str
    version: str
    first: int
    rows: int


@dataclass(frozen=True, repr=False)
class Predictions:
    """Answers in the order of the rows.

    `predictions`: a class or a number per row. `probabilities`: of a classification, an array of
    shape [rows, classes], in the order of `classes`; else None.
    """

    pipeline: str
    predictions: list[Any]
    probabilities: NDArray[Any] | None
    classes: tuple[Any, ...]
    requests: tuple[AnsweredRequest, ...]

    def __len__(self) -> int:
        return len(self.predictions)

    def __repr__(self) -> str:
        versions = " and ".join(self.versions)
        return (
            f"<{len(self):,} predictions by {self.pipeline} version {versions}, "
            f"in {len(self.requests):,} request(s)>"
        )

    @property
    def versions(self) -> list[str]:
        """The versions that answered: several when another was promoted meanwhile."""
        return list(dict.fromkeys(each.version for each in self.requests))

    @property
    def request_ids(self) -> list[str]:
        """The id of each row's request. With its place there (`places`) it gets its label."""
        return [each.id for each in self.requests for _ in range(each.rows)]

    @property
    def places(self) -> list[int]:
        """The place of each row in its request."""
        return [place for each in self.requests for place in range(each.rows)]

    def labels(self, truth: Any) -> Iterator[RowLabel]:
        """Labels of these rows; None (NaN) where the truth is not known yet, which makes none.

        A sequence, or a column of a frame. Raises InvalidInput unless there is one for each row.
        """
        known = [plain(value) for value in listed(truth)]
        if len(known) != len(self):
            raise InvalidInput(
                f"there are {len(known)} labels for {len(self)} rows",
                field="labels",
                fix="give one per row, None where it is not known",
            )
        places = zip(self.request_ids, self.places, known, strict=True)
        for request_id, place, label in places:
            if label is None or label != label:  # noqa: PLR0124  (NaN)
                continue
            yield RowLabel(request_id=request_id, row=place, label=label, pipeline=self.pipeline)

    def to_pandas(self) -> pd.DataFrame:
        """`prediction`, a column `probability_<class>` for each class, `request_id` and `row`.

        Raises SettingsError when pandas is not installed.
        """
        columns: dict[str, Any] = {"prediction": self.predictions}
        if self.probabilities is not None:
            for place, name in enumerate(self.classes):
                columns[f"probability_{name}"] = self.probabilities[:, place]
        columns |= {"request_id": self.request_ids, "row": self.places}
        made: pd.DataFrame = extras.frames("pandas").DataFrame(columns)
        return made
