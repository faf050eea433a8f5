"""KServe v1, which clients of TensorFlow Serving and Vertex AI speak too.

A request holds `instances` (rows) or `inputs` (columns, or rows), an answer one class or number per
row: {"predictions": […]} for `instances`, {"outputs": […]} for `inputs`, as TensorFlow Serving
answers. Of its other keys `signature_name` may be "serving_default" and `parameters` empty.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from mlplatform.errors import InvalidInput
from mlplatform.serving.dialects.table_body import Forms, TableBody
from mlplatform.serving.request import DecodedRequest, Prediction

_ONLY_SIGNATURE = "serving_default"


class KserveDialect:
    """See Dialect."""

    def __init__(self, forms: Forms) -> None:
        self._layout = forms.layout
        tables = {"instances": forms.rows, "inputs": forms.rows_or_columns}
        self._body = TableBody(tables, {"signature_name": str | None, "parameters": None})

    def decode(self, body: bytes) -> DecodedRequest:
        """See Dialect.decode."""
        found = self._body.decode(body)
        if found.others:
            _refuse_others(found.others)
        request = found.request(self._layout)
        return (
            request
            if found.key == "instances"
            else msgspec.structs.replace(request, answer_key="outputs")
        )

    def encode(self, prediction: Prediction) -> bytes:
        """See Dialect.encode."""
        return msgspec.json.encode(
            {prediction.request.answer_key: prediction.outputs["prediction"]}
        )


def _refuse_others(others: Mapping[str, Any]) -> None:
    if others.get("signature_name") not in (None, _ONLY_SIGNATURE):
        raise InvalidInput(
            f"there is no signature {others['signature_name']!r}",
            field="signature_name",
            fix=f"leave it out, or send {_ONLY_SIGNATURE!r}",
        )
    refuse_parameters(others, "parameters")


def refuse_parameters(others: Mapping[str, Any], key: str) -> None:
    """Raise InvalidInput for parameters to a model: ours take none."""
    given = others.get(key)
    if given not in (None, {}):
        name = f"{key}.{next(iter(given))}" if isinstance(given, dict) else key
        raise InvalidInput("models take no parameters", field=name, fix="leave it out")
