"""MLflow's scoring protocol with a CSV body: a header with the names of columns, then rows.

Quoting is that of RFC 4180. Cells are read as those of an import: by the type of their column.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

from mlplatform.contracts.blocks import BlockLayout
from mlplatform.contracts.model import Signature
from mlplatform.errors import InvalidInput
from mlplatform.features.cells import CellType, cell_type, convert
from mlplatform.serving.dialects import mlflow
from mlplatform.serving.dialects.table_reader import TableReader, refuse_names, refuse_twice
from mlplatform.serving.request import DecodedRequest, Prediction


class MlflowCsvDialect:
    """See Dialect."""

    def __init__(self, signature: Signature) -> None:
        self._kinds: dict[str, CellType] = {
            column.name: cell_type(column) for column in signature.inputs
        }
        self._layout = BlockLayout(signature.inputs)
        self._names = list(self._kinds)
        self._extras = signature.beside
        if signature.time:
            self._kinds[signature.time] = "time"
        self._reader = TableReader(signature)

    def decode(self, body: bytes) -> DecodedRequest:
        """See Dialect.decode."""
        try:
            text = body.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise InvalidInput("the body is not UTF-8", field="body") from error
        lines = csv.reader(io.StringIO(text, newline=""), strict=True)
        try:
            header = self._header(lines)
            rows = list(_rows(lines, len(header)))
        except csv.Error as error:
            raise InvalidInput(
                f"line {lines.line_num} is not CSV: {error}", field="body"
            ) from error
        if not rows:
            raise InvalidInput("must hold at least one row below its header", field="body")
        found = {
            name: [convert(cell, self._kinds.get(name, "string")) for cell in cells]
            for name, cells in zip(header, zip(*rows, strict=True), strict=True)
        }
        table = self._reader.columns(found, "body")
        return DecodedRequest.of_columns(
            self._layout, table.columns, table.rows, extras=table.extras
        )

    def encode(self, prediction: Prediction) -> bytes:
        """See Dialect.encode."""
        return mlflow.encode(prediction)

    def _header(self, lines: Iterator[list[str]]) -> list[str]:
        header = [name.strip() for name in next(lines, [])]
        if not set(header) & {*self._names, *self._extras}:
            raise InvalidInput(
                "the first line must name the columns",
                field="body",
                fix=f"columns are {', '.join(self._names)}",
            )
        if header[0] == "":
            raise InvalidInput(
                "the first column has no name",
                field="body",
                fix="write the table without its index (pandas: index=False)",
            )
        refuse_twice(header, "body")
        refuse_names(header, self._names, self._extras, what="", where="body")
        return header


def _rows(lines: Iterator[list[str]], width: int) -> Iterator[list[str]]:
    rows = (cells for cells in lines if cells)  # a blank line is not a row
    for index, cells in enumerate(rows):
        if len(cells) != width:
            raise InvalidInput(
                f"row {index} has {len(cells)} fields, the header has {width}", field="body"
            )
        yield cells
