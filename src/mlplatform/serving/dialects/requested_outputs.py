"""Which outputs a client of the Open Inference Protocol wants, and which of them as bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from mlplatform.errors import InvalidInput
from mlplatform.serving.dialects.inference_body import InferenceBody, parameters


class Wanted(NamedTuple):
    """Names of outputs, None for all, and those that are to come as bytes."""

    names: tuple[str, ...] | None = None
    binary: frozenset[str] = frozenset()


_ALL = Wanted()


class RequestedOutputs:
    """For a model of these outputs."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self._names = names

    def known(self, names: Sequence[Any]) -> tuple[str, ...] | None:
        """The names without doubles, None for all. Raises InvalidInput for an unknown one."""
        for name in names:
            if not isinstance(name, str) or name not in self._names:
                raise InvalidInput(
                    f"there is no output {name!r:.80}; outputs are {', '.join(self._names)}",
                    field="outputs",
                )
        return tuple(dict.fromkeys(names)) or None

    def of_body(self, body: InferenceBody) -> Wanted:
        """Of a typed request. Raises InvalidInput, and a msgspec error for odd parameters."""
        if body.outputs is None and body.parameters is msgspec.UNSET:
            return _ALL
        usual = parameters(body.parameters).binary_data_output
        flags = [
            (output.name, parameters(output.parameters).binary_data)
            for output in body.outputs or ()
        ]
        return self._wanted(flags, usual=usual)

    def of_document(self, document: Mapping[str, Any]) -> Wanted:
        """Of a decoded document. Raises InvalidInput."""
        outputs = document.get("outputs")
        if outputs is None:
            outputs = []
        if not isinstance(outputs, list) or not all(isinstance(output, dict) for output in outputs):
            raise InvalidInput("must be a list of objects with a name", field="outputs")
        usual = _flag(document, "binary_data_output", "")
        flags = [
            (output.get("name"), _flag(output, "binary_data", "outputs.")) for output in outputs
        ]
        return self._wanted(flags, usual=usual)

    def _wanted(self, flags: Sequence[tuple[Any, bool | None]], *, usual: bool | None) -> Wanted:
        names = self.known([name for name, _ in flags])
        if names is None:
            return Wanted(None, frozenset(self._names if usual else ()))
        return Wanted(
            names,
            frozenset(name for name, binary in flags if (usual if binary is None else binary)),
        )


def _flag(part: Mapping[str, Any], name: str, where: str) -> bool | None:
    given = part.get("parameters")
    if given is not None and not isinstance(given, dict):
        raise InvalidInput("must be an object", field=f"{where}parameters")
    value = (given or {}).get(name)
    if value is not None and not isinstance(value, bool):
        raise InvalidInput("must be true or false", field=f"{where}parameters.{name}")
    return value
