"""MLflow's scoring protocol, which clients of SageMaker speak too.

A request holds a table as `dataframe_split`, `dataframe_records`, `instances` or `inputs`, an
answer is {"predictions": […]}: one class or number per row. Bodies of MLflow before 2 are read too:
a list of records, or what `dataframe_split` holds now.
"""

from __future__ import annotations

import re

import msgspec

from mlplatform.serving.dialects.kserve import refuse_parameters
from mlplatform.serving.dialects.table_body import Forms, TableBody
from mlplatform.serving.request import DecodedRequest, Prediction

_OLDER = re.compile(rb'\s*(?:(\[)|\{\s*"(?:columns|index|data)"\s*:)')
# A text without an end is taken whole: searched again from each of its quotation marks, it would
# cost the square of its length.
_TEXT_OR_NAN = re.compile(rb'"(?:[^"\\]|\\.)*+"?|\bNaN\b', re.DOTALL)


class MlflowDialect:
    """See Dialect."""

    def __init__(self, forms: Forms) -> None:
        self._layout = forms.layout
        self._body = TableBody(
            {
                "dataframe_split": forms.split,
                "dataframe_records": forms.records,
                "instances": forms.rows,
                "inputs": forms.rows_or_columns,
            },
            {"params": None},
        )

    def decode(self, body: bytes) -> DecodedRequest:
        """See Dialect.decode."""
        found = self._body.decode(_current(body))
        refuse_parameters(found.others, "params")
        return found.request(self._layout)

    def encode(self, prediction: Prediction) -> bytes:
        """See Dialect.encode."""
        return encode(prediction)


def encode(prediction: Prediction) -> bytes:
    """The answer to JSON and CSV alike."""
    return msgspec.json.encode({"predictions": prediction.outputs["prediction"]})


def _current(body: bytes) -> bytes:
    """The body as MLflow 2 would write it, in JSON.

    MLflow's own client writes the nulls of a data frame as NaN, which is not JSON.
    """
    if b"NaN" in body:
        body = _TEXT_OR_NAN.sub(_null, body)
    if older := _OLDER.match(body):
        key = b"dataframe_records" if older[1] else b"dataframe_split"
        body = b'{"%b":%b}' % (key, body)
    return body


def _null(found: re.Match[bytes]) -> bytes:
    return b"null" if found[0] == b"NaN" else found[0]
