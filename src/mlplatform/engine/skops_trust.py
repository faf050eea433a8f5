"""Which types a skops file may hold without a setting that names them: read, then judged by rule.

skops compares names only. What a name can do depends on the node that carries it, so every node is
judged by its kind here. What was read in skops 0.16 (skops/io), scikit-learn 1.9, NumPy 2.4 and
SciPy 1.17, for each kind of node at load:

- ObjectNode makes `T.__new__(T)` and gives the state to `T.__setstate__`, or to its `__dict__`. So
  a class is as safe as these hooks. scikit-learn's estimators have BaseEstimator's, which compares
  versions and updates `__dict__`. Hooks in Python that were read stand in `READ_HOOKS`; a class
  with another one is refused.
- DictNode, ListNode, SetNode, NdArrayNode, RandomStateNode, LossNode and ConstructorFromReduceNode
  *call* the named type, with items of the file. So a name that is fine in an ObjectNode is not fine
  there, and each of these kinds has a list of its own. A DictNode also calls its key types with
  text, so they must be types, not functions.
- TypeNode, FunctionNode and PartialNode load something callable, and FunctionTransformer and
  metrics call it later with arguments of the file. So it may be only what computes with arrays,
  whatever its arguments: no files, no code out of text, no state of the process.
- MethodNode takes any attribute of an object: never. OperatorFuncNode: only `itemgetter`, since
  `attrgetter` and `methodcaller` reach any attribute. Nodes of older protocols and of unknown
  kinds: never, since nobody read them.

Refused on purpose, although NumPy's, SciPy's or scikit-learn's own: `numpy.load`, `save`,
`loadtxt`, `genfromtxt`, `fromfile`, `memmap`, `DataSource`, `ctypeslib`, `f2py`, `testing` (files,
libraries, compilers), `lib.stride_tricks.as_strided` (memory), `seterr`, `random.seed` (state of
the process); `scipy.stats` distributions (`rv_generic.__setstate__` runs `exec` on an attribute),
`scipy.io` and everything else of SciPy that is not listed; `sklearn.datasets` (files, network),
`externals`, `callback`, and functions that are not listed; and text vectorizers whose `input` is
not "content", since they open the file that a request names.

Not judged: numbers. A crafted tree, nearest-neighbour index or support vector machine can hold
indices that lead its C code out of an array; scikit-learn checks only some of them.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import scipy.sparse
import scipy.special
import skops.io  # noqa: F401  (imports every module of scikit-learn that has estimators)
from sklearn.base import BaseEstimator
from sklearn.feature_extraction.text import _VectorizerMixin
from sklearn.gaussian_process.kernels import Kernel
from sklearn.metrics import DistanceMetric

READ_HOOKS = {
    "__new__": ("sklearn.utils.deprecation",),
    "__setstate__": (
        "sklearn.base",
        "sklearn.isotonic",
        "sklearn.ensemble._hist_gradient_boosting.predictor",
    ),
    "__del__": (),
}
"""Modules whose hooks in Python were read: they warn, compare versions, rebuild from arrays."""
DATA_TYPES = (
    "scipy.interpolate._bsplines.BSpline",
    "sklearn._loss.link.",
    "sklearn._loss.loss.",
    "sklearn.calibration.",
    "sklearn.cluster._bisect_k_means.",
    "sklearn.compose._column_transformer.make_column_selector",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.metrics._scorer.",
    "sklearn.model_selection._search.Parameter",
    "sklearn.model_selection._split.",
    "sklearn.neighbors._ball_tree.BallTree",
    "sklearn.neighbors._kd_tree.KDTree",
    "sklearn.neural_network._stochastic_optimizers.",
    "sklearn.utils._metadata_requests.",
)
"""Beginnings of the names of classes that estimators consist of, beside kernels and distances."""
_ARRAY_FUNCTIONS = """
    all amax amin angle any append argmax argmin argsort argwhere around array array_equal
    asanyarray asarray ascontiguousarray atleast_1d atleast_2d atleast_3d average bincount
    broadcast_to clip column_stack concatenate convolve copy corrcoef count_nonzero cov cross
    cumprod cumsum delete diff digitize dot dstack ediff1d einsum expand_dims fix flip fliplr flipud
    full_like gradient histogram hstack imag inner insert interp isclose isin isneginf isposinf kron
    linalg.norm max mean median min moveaxis nan_to_num nanmax nanmean nanmedian nanmin
    nanpercentile nanprod nanquantile nanstd nansum nanvar ones_like outer percentile polyval prod
    ptp quantile ravel real real_if_close repeat reshape roll round searchsorted select sinc sort
    squeeze stack std sum swapaxes take tensordot tile trace transpose trapezoid tri tril triu
    unique unwrap vander var vdot vstack where zeros_like
"""
ARRAY_FUNCTIONS = frozenset(f"numpy.{name}" for name in _ARRAY_FUNCTIONS.split())
"""NumPy's functions that only compute with arrays. Its ufuncs, and SciPy's, are allowed as well."""
_FUNCTIONS = frozenset(
    (
        "scipy._lib.array_api_compat.numpy._aliases.asarray",
        "scipy.special._logsumexp.log_softmax",
        "scipy.special._logsumexp.logsumexp",
        "scipy.special._logsumexp.softmax",
        "sklearn.cluster._kmeans._kmeans_single_elkan",
        "sklearn.cluster._kmeans._kmeans_single_lloyd",
        "sklearn.feature_extraction.text.strip_accents_ascii",
        "sklearn.feature_extraction.text.strip_accents_unicode",
        "sklearn.feature_extraction.text.strip_tags",
        "sklearn.utils.validation.check_array",
    )
)
_FUNCTION_MODULES = (
    "scipy.spatial.distance",
    "sklearn.feature_selection._mutual_info",
    "sklearn.feature_selection._univariate_selection",
    "sklearn.metrics._classification",
    "sklearn.metrics._ranking",
    "sklearn.metrics._regression",
    "sklearn.metrics.cluster._supervised",
    "sklearn.metrics.cluster._unsupervised",
    "sklearn.metrics.pairwise",
    "sklearn.preprocessing._data",
)
"""Metrics, kernels and scores: their public functions compute, and call what they are given."""
_TYPES = "bool bytes complex dict float int list object set str tuple"
_LOSSES = ("sklearn._loss._loss.", "sklearn.linear_model._sgd_fast.")
_REFUSED_PARTS = (
    "_build_utils",
    "_mocking",
    "_testing",
    "callback",
    "conftest",
    "datasets",
    "estimator_checks",
    "externals",
    "parallel",
    "tests",
)
_NAMES: dict[str, tuple[str, ...]] = {
    "BytearrayNode": ("builtins.bytearray",),
    "BytesNode": ("builtins.bytes",),
    "ConstructorFromReduceNode": ("builtins.complex", "builtins.frozenset", "builtins.range"),
    "DTypeNode": ("numpy.dtype",),
    "DefaultDictNode": ("collections.defaultdict",),
    "DictNode": ("builtins.dict", "collections.OrderedDict", "sklearn.utils._bunch.Bunch"),
    "ListNode": ("builtins.list",),
    "MaskedArrayNode": ("numpy.ma.MaskedArray", "numpy.ma.core.MaskedArray"),
    "OperatorFuncNode": ("operator.itemgetter",),
    "PartialNode": ("functools.partial",),
    "RandomGeneratorNode": ("numpy.random._generator.Generator",),
    "RandomStateNode": ("numpy.random.mtrand.RandomState",),
    "SetNode": ("builtins.set",),
    "SliceNode": ("builtins.slice",),
    "TreeNode": ("sklearn.tree._tree.Tree",),
    "TupleNode": ("builtins.tuple", "sklearn.impute._iterative._ImputerTriplet"),
}


@cache
def trusted(kind: str, module: str, name: str) -> bool:
    """Whether a node of this kind may carry this name. Nothing is imported for the answer."""
    if kind == "JsonNode":  # its content is plain JSON, and its name is not used
        return True
    if f"{module}.{name}" in _NAMES.get(kind, ()):
        return True
    rule = _RULES.get(kind)
    return rule is not None and rule(module, name)


def opens_files(module: str, name: str) -> bool:
    """Whether objects of this class can take a row's text for the path of a file to read."""
    found = _class(module, name)
    return found is not None and issubclass(found, _VectorizerMixin)


def _resolved(module: str, name: str) -> Any:
    """What a name of NumPy, SciPy or scikit-learn stands for, or None.

    A file never decides what is imported: skops has imported all of scikit-learn by then.
    """
    parts = module.split(".")
    if parts[0] not in ("numpy", "scipy", "sklearn") or any(
        part in _REFUSED_PARTS for part in parts
    ):
        return None
    known = sys.modules.get(module)
    return vars(known).get(name) if known is not None else None


def _class(module: str, name: str) -> type | None:
    """The class that is defined under exactly this name, or None."""
    found = _resolved(module, name)
    own = isinstance(found, type) and (found.__module__, found.__qualname__) == (module, name)
    return found if own else None


def _object(module: str, name: str) -> bool:
    if not f"{module}.{name}".startswith(("sklearn.", *DATA_TYPES)):
        return False
    found = _class(module, name)
    if found is None or not hooks_were_read(found):
        return False
    known = issubclass(found, BaseEstimator | Kernel | DistanceMetric)
    return known or f"{module}.{name}".startswith(DATA_TYPES)


def hooks_were_read(found: type) -> bool:
    """Whether every hook that runs at load, where it is Python, stands in `READ_HOOKS`."""
    for hook, modules in READ_HOOKS.items():
        code = inspect.getattr_static(found, hook, None)
        code = code.__func__ if isinstance(code, staticmethod | classmethod) else code
        if inspect.isfunction(code) and code.__module__ not in modules:
            return False
    return True


def _function(module: str, name: str) -> bool:
    whole = f"{module}.{name}"
    if whole in ARRAY_FUNCTIONS or whole in _FUNCTIONS:
        return True
    if module in _FUNCTION_MODULES and not name.startswith("_"):
        found = _resolved(module, name)
        return inspect.isfunction(found) and found.__module__ == module
    # skops names a ufunc by the first module that it finds it in, which depends on imports.
    return id(_resolved(module, name)) in _UFUNCS


def _type(module: str, name: str) -> bool:
    plain = module == "builtins" and name in _TYPES.split()
    # skops writes functions that are compiled, such as numpy.asarray, as types.
    return plain or _number(module, name) or f"{module}.{name}" in ARRAY_FUNCTIONS


def _number(module: str, name: str) -> bool:
    found = _class(module, name) if module == "numpy" else None
    return found is not None and issubclass(found, np.generic)


def _array(module: str, name: str) -> bool:
    return (module, name) == ("numpy", "ndarray") or _number(module, name)


def _sparse(module: str, name: str) -> bool:
    found = _class(module, name) if module.startswith("scipy.sparse.") else None
    return found is not None and issubclass(found, scipy.sparse.spmatrix | scipy.sparse.sparray)


def _loss(module: str, name: str) -> bool:
    return f"{module}.{name}".startswith(_LOSSES) and isinstance(_resolved(module, name), type)


_RULES: dict[str, Callable[[str, str], bool]] = {
    "FunctionNode": _function,
    "LossNode": _loss,
    "NdArrayNode": _array,
    "ObjectNode": _object,
    "SparseMatrixNode": _sparse,
    "TypeNode": _type,
}
_UFUNCS = {
    id(member)
    for package in (np, scipy.special)
    for member in vars(package).values()
    if isinstance(member, np.ufunc)
}
