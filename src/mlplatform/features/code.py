"""A pipeline's features: the same code in etl and in serving.

features.py defines `engineer(columns) -> features`: a dict from column name to 1-D NumPy array in,
the same out, as many rows, in the same order, each row on its own (no statistic over rows: serving
sees one row where etl sees thousands). No pandas, no state, no files. `load` checks the digest,
runs the file in a module of its own and finds the features' types by trying it on generated rows,
together and alone, so that a broken file is refused when it is loaded and not at the first request.
Without a features.py the features are the raw columns and cost nothing.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlplatform.contracts.columns import Column, Columns, Feature, length
from mlplatform.contracts.pipeline import PipelineDefinition
from mlplatform.errors import DigestMismatch, FeaturesOverrun, InvalidInput
from mlplatform.features.digest import features_digest
from mlplatform.features.limit import limited
from mlplatform.features.outcome import differing, feature_types, normalised, place
from mlplatform.features.probe import probes

Engineer = Callable[[dict[str, NDArray[Any]]], Mapping[str, NDArray[Any]]]
_UNSTEADY = "is not the same each time it is computed: no random numbers, no clock, no state"
_DEPENDENT = "of a row depends on the rows beside it: no mean, no rank, nothing of other rows"


class FeatureSet:
    """Columns in, features out.

    Stateless; safe to share between threads as far as features.py is.
    """

    def __init__(
        self,
        *,
        digest: str,
        inputs: tuple[Column, ...],
        features: tuple[Feature, ...],
        engineer: Engineer | None,
        where: str,
    ) -> None:
        self.digest = digest
        self.inputs = inputs
        self.features = features
        self.identity = engineer is None
        self._engineer = engineer
        self._where = where

    def apply(self, columns: Columns) -> Columns:
        """Features of these raw columns (typed, as `parse.to_columns` gives them), row for row.

        With no features.py this is `columns` itself. Raises InvalidInput, naming file and line,
        when the code raises or breaks its contract for these rows; which of several rows is to
        blame is not known. Raises FeaturesOverrun when it runs longer than the limit it was loaded
        with.
        """
        if self._engineer is None:
            return columns
        found = _call(self._engineer, columns, self._where)
        return normalised(found, self.features, rows=length(columns), where=self._where)


def load(
    definition: PipelineDefinition,
    source: bytes | None,
    *,
    digest: str | None,
    limit_s: float | None = None,
) -> FeatureSet:
    """The features of a definition and the bytes of its features.py (None: it has none).

    The digest is compared before anything runs; None: not recorded yet. No call of the code may run
    longer than `limit_s`. Raises DigestMismatch, FeaturesOverrun, InvalidInput (file and line).
    """
    found = require_digest(definition, source, digest)
    inputs = definition.columns
    where = f"pipelines/{definition.name}/features.py"
    engineer, features = None, tuple(Feature(name=one.name, dtype=one.dtype) for one in inputs)
    if source is not None:
        engineer = _engineer(source, where, found, limit_s)
        features = _tried(engineer, inputs, where)
    return FeatureSet(
        digest=found, inputs=inputs, features=features, engineer=engineer, where=where
    )


def require_digest(definition: PipelineDefinition, source: bytes | None, digest: str | None) -> str:
    """The digest of that code, of which nothing runs.

    Raises DigestMismatch unless it is `digest`; None: whatever it is.
    """
    found = features_digest(definition, source)
    if digest is not None and found != digest:
        raise DigestMismatch(
            f"features of {definition.name}: digest is {found[:12]}…, recorded was {digest[:12]}…",
            field="features_digest",
        )
    return found


def _engineer(source: bytes, where: str, digest: str, limit_s: float | None) -> Engineer:
    if limit_s is None:
        return _defined(source, where, digest)
    defined = limited(_defined, seconds=limit_s, what=where)(source, where, digest)
    return limited(defined, seconds=limit_s, what=where)


def _defined(source: bytes, where: str, digest: str) -> Engineer:
    module = ModuleType(f"mlplatform_features_{digest[:16]}")
    module.__file__ = where
    sys.modules[module.__name__] = module  # dataclasses and typing look a class's module up there
    try:
        exec(compile(source, where, "exec"), module.__dict__)  # noqa: S102  (its purpose)
    except SyntaxError as error:
        raise InvalidInput(f"{where}, line {error.lineno}: {error.msg}") from error
    except (Exception, SystemExit) as error:  # a script that ends itself must not end the process
        raise InvalidInput(f"{place(error, where)}: {type(error).__name__}: {error}") from error
    engineer = getattr(module, "engineer", None)
    if not callable(engineer):
        raise InvalidInput(f"{where} defines no function engineer(columns)")
    return engineer  # type: ignore[no-any-return]  # what it returns is checked at each call


def _tried(engineer: Engineer, inputs: tuple[Column, ...], where: str) -> tuple[Feature, ...]:
    """The features' types, after a trial on generated rows.

    Raises InvalidInput unless every probe with rows gives the same types, and every row the same
    values in each table that it comes in.
    """
    found: tuple[Feature, ...] = ()
    answers = []
    for columns in probes(inputs):
        made = _call(engineer, columns, where)
        features = feature_types(made, where=where)
        found = found or features
        if length(columns) and features != found:
            raise InvalidInput(
                f"{where}: the features' names or types depend on the data: "
                f"{_listed(found)} and {_listed(features)}"
            )
        answers.append((columns, normalised(made, found, rows=length(columns), where=where)))
    for columns, whole in answers:
        _repeat(engineer, columns, whole, found, where)
    return found


def _repeat(
    engineer: Engineer, columns: Columns, whole: Columns, features: tuple[Feature, ...], where: str
) -> None:
    """Refuse code that gives other values the second time, or for a row alone.

    With such code serving and training would not see the same.
    """
    rows = length(columns)
    tries = [(slice(0, rows), _UNSTEADY)]
    tries += [(slice(row, row + 1), _DEPENDENT) for row in range(rows)]
    for part, fault in tries:
        some = {name: array[part] for name, array in columns.items()}
        made = normalised(_call(engineer, some, where), features, rows=length(some), where=where)
        if name := differing(made, whole, part):
            raise InvalidInput(f"{where}: feature {name} {fault}", field=name)


def _listed(features: tuple[Feature, ...]) -> str:
    return ", ".join(f"{feature.name} {feature.dtype}" for feature in features)


def _call(engineer: Engineer, columns: Columns, where: str) -> Mapping[str, NDArray[Any]]:
    # Views that can't be written: code that changes its input would change what other code sees of
    # the row.
    views = {name: array.view() for name, array in columns.items()}
    for view in views.values():
        view.flags.writeable = False
    try:
        # A division by zero shows in the result, which is checked; NumPy would warn on stderr.
        with np.errstate(all="ignore"):
            return engineer(views)
    except (FeaturesOverrun, InvalidInput):  # of `limited`, of `load_apart`
        raise
    except (Exception, SystemExit) as error:
        raise InvalidInput(f"{place(error, where)}: {type(error).__name__}: {error}") from error
