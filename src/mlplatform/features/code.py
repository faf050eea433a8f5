"""A pipeline's features: the same code in etl and in serving.

features.py defines `engineer(columns) -> features`: a dict from column name to 1-D NumPy array in,
the same out, as many rows, in the same order, each row on its own (no statistic over rows: serving
sees one row where etl sees thousands). No pandas, no state, no files. `load` checks the digest,
runs the file in a module of its own and finds the features' types by trying it on rows, together
and alone (`acceptance`), so that a broken file is refused when it is loaded and not at the first
request.
Without a features.py the features are the raw columns and cost nothing.
"""

from __future__ import annotations

import sys
from types import ModuleType

from mlplatform.contracts.blocks import BlockTable
from mlplatform.contracts.columns import Column, Columns, length
from mlplatform.contracts.pipeline import PipelineDefinition
from mlplatform.errors import DigestMismatch, InvalidInput
from mlplatform.features.acceptance import Accepted, History, accept
from mlplatform.features.digest import features_digest
from mlplatform.features.limit import limited
from mlplatform.features.outcome import Engineer, called, normalised, place


class FeatureSet:
    """Columns in, features out.

    Stateless; safe to share between threads as far as features.py is. `probes` are rows that it has
    answered.
    """

    def __init__(
        self,
        *,
        digest: str,
        inputs: tuple[Column, ...],
        accepted: Accepted,
        engineer: Engineer | None,
        where: str,
    ) -> None:
        self.digest = digest
        self.inputs = inputs
        self.features = accepted.features
        self.identity = engineer is None
        self.probes = accepted.probes
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
        if isinstance(columns, BlockTable):
            columns = columns.columns()
        found = called(self._engineer, columns, self._where)
        return normalised(found, self.features, rows=length(columns), where=self._where)


def load(
    definition: PipelineDefinition,
    source: bytes | None,
    *,
    digest: str | None,
    limit_s: float | None = None,
    history: History | None = None,
) -> FeatureSet:
    """The features of a definition and the bytes of its features.py (None: it has none).

    The digest is compared before anything runs; None: not recorded yet. No call may run longer than
    `limit_s`. `history` is asked for rows when generated ones won't do. Raises DigestMismatch,
    FeaturesOverrun, InvalidInput (file, line and row).
    """
    found, inputs = require_digest(definition, source, digest), definition.inputs
    where = f"pipelines/{definition.name}/features.py"
    engineer = None if source is None else _engineer(source, where, found, limit_s)
    accepted = accept(engineer, inputs, where, history)
    return FeatureSet(
        digest=found,
        inputs=inputs,
        accepted=accepted,
        engineer=engineer,
        where=where,
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
