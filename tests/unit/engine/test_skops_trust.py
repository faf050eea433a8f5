"""What a skops file may hold: data and estimators, and nothing that runs code or opens files."""

from __future__ import annotations

import inspect
import io
import json
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from skops.io._protocol import PROTOCOL

from mlplatform.engine import skops_trust
from mlplatform.engine.load import load
from mlplatform.errors import IntegrityFailure
from mlplatform.registry import manifest


def _node(kind: str, name: str, **state: Any) -> dict[str, Any]:
    module, _, last = name.rpartition(".")
    return {"__loader__": kind, "__module__": module, "__class__": last, **state}


def _json(value: Any) -> dict[str, Any]:
    return _node("JsonNode", "builtins.str", content=json.dumps(value), is_json=True)


def _list(*items: Any, name: str = "builtins.list") -> dict[str, Any]:
    return _node("ListNode", name, content=list(items))


def _dict(name: str = "builtins.dict", keys: Any = None, **items: Any) -> dict[str, Any]:
    keys = keys or _list(*(_node("TypeNode", "builtins.str") for _ in items))
    return _node("DictNode", name, key_types=keys, content=items)


def _object(name: str, **attributes: Any) -> dict[str, Any]:
    return _node("ObjectNode", name, content=_dict(**attributes))


def _tuple(*items: Any) -> dict[str, Any]:
    return _node("TupleNode", "builtins.tuple", content=list(items))


def _partial(function: dict[str, Any], *arguments: Any) -> dict[str, Any]:
    content = {
        "func": function,
        "args": _tuple(*arguments),
        "kwds": _dict(),
        "namespace": _json(None),
    }
    return _node("PartialNode", "functools.partial", content=content)


def _array(name: str = "numpy.ndarray") -> dict[str, Any]:
    return _node("NdArrayNode", name, type="numpy", file="array.npy")


def _called_with_text(function: dict[str, Any], text: str) -> dict[str, Any]:
    """A dictionary whose key is made by calling `function` with `text`."""
    return _dict(keys=_list(function), **{text: _json(1)})


_PIPELINE = "sklearn.pipeline.Pipeline"
_TFIDF = "sklearn.feature_extraction.text.TfidfVectorizer"
_SHELL = _node("FunctionNode", "os.system")
_LOAD = _node("FunctionNode", "numpy.load")
_FILENAME = {**_dict(input=_json("filename")), "__id__": 7}
_EXEC = _object(
    "scipy.stats._continuous_distns.norm_gen",
    _parse_arg_template=_json("open('CANARY', 'w').close()"),
)
HOSTILE: dict[str, dict[str, Any]] = {
    "a shell": _SHELL,
    "a shell by its own module": _node("FunctionNode", "posix.system"),
    "a shell as a type": _node("TypeNode", "os.system"),
    "a shell in a partial": _partial(_SHELL, _json("touch CANARY")),
    "a shell that makes a key": _called_with_text(_SHELL, "touch CANARY"),
    "a process": _node("ConstructorFromReduceNode", "subprocess.Popen", content=_tuple()),
    "eval": _node("TypeNode", "builtins.eval"),
    "open": _node("TypeNode", "builtins.open"),
    "an import": _node("FunctionNode", "importlib.import_module"),
    "pickle": _partial(_node("FunctionNode", "pickle.loads"), _json("x")),
    "joblib": _node("FunctionNode", "joblib.numpy_pickle.load"),
    "joblib in scikit-learn": _node("FunctionNode", "sklearn.utils.parallel.Parallel"),
    "a cache on disk": _object("joblib.memory.Memory", location=_json("CANARY")),
    "numpy.load": _LOAD,
    "numpy.load that makes a key": _called_with_text(_LOAD, "CANARY"),
    "numpy.save": _node("FunctionNode", "numpy.save"),
    "numpy.loadtxt": _node("FunctionNode", "numpy.loadtxt"),
    "numpy.genfromtxt": _node("FunctionNode", "numpy.genfromtxt"),
    "numpy.fromfile": _node("FunctionNode", "numpy.fromfile"),
    "numpy.memmap of an array": _array("numpy.memmap"),
    "numpy.memmap as a type": _node("TypeNode", "numpy.memmap"),
    "a foreign library": _node("FunctionNode", "numpy.ctypeslib.load_library"),
    "any memory": _node("FunctionNode", "numpy.lib.stride_tricks.as_strided"),
    "a compiler": _node("FunctionNode", "numpy.f2py.compile"),
    "a compiler's main": _node("FunctionNode", "numpy.f2py.__main__.main"),
    "numpy's tests": _node("FunctionNode", "numpy.testing._private.utils.runstring"),
    "numpy.seterr": _node("FunctionNode", "numpy.seterr"),
    "the global seed": _node("FunctionNode", "numpy.random.seed"),
    "another generator": _node("RandomStateNode", _PIPELINE, content=_dict()),
    "exec in scipy.stats": _EXEC,
    "scipy.io": _node("FunctionNode", "scipy.io.loadmat"),
    "files of scikit-learn": _node("FunctionNode", "sklearn.datasets._base.load_files"),
    "names of a module": _node("FunctionNode", "sklearn.metrics.pairwise.Parallel"),
    "modules of a module": _node("FunctionNode", "sklearn.metrics.pairwise.warnings"),
    "an estimator as a function": _node("FunctionNode", _PIPELINE),
    "an estimator that is called with a list": _list(name=_PIPELINE),
    "an estimator that is called as a dictionary": _dict(name=_PIPELINE),
    "an estimator that is called as a set": _node("SetNode", _PIPELINE, content=[]),
    "an estimator that is called with anything": _node(
        "ConstructorFromReduceNode", _PIPELINE, content=_tuple()
    ),
    "an estimator that is called with an array": _array(_PIPELINE),
    "an estimator as a loss": _node(
        "LossNode", _PIPELINE, content=_dict(), __reduce__={"args": _tuple()}
    ),
    "a method": _node(
        "MethodNode", _PIPELINE, content={"func": "fit", "obj": _object(_PIPELINE)}
    ),
    "any attribute": _node("OperatorFuncNode", "operator.attrgetter", attrs=_tuple(_json("x"))),
    "any method": _node("OperatorFuncNode", "operator.methodcaller", attrs=_tuple(_json("x"))),
    "a class of the tests": _object("sklearn.utils._mocking.CheckingClassifier"),
    "a class that is imported elsewhere": _object("sklearn.pipeline.Bunch"),
    "a name with dots": _object("sklearn.pipeline", x=_json(1)),
    "files that requests name": _object(_TFIDF, input=_json("filename")),
    "files of no given kind": _object(_TFIDF),
    # The state's id is known by then, so skops takes the other state.
    "files that requests name, by another state": _list(
        _FILENAME,
        _node(
            "ObjectNode", _TFIDF, content={**_dict(input=_json("content")), "__id__": 7}
        ),
    ),
}  # fmt: skip


def _file(state: dict[str, Any], *, protocol: int = PROTOCOL, numbers: int = 3) -> bytes:
    buffer, array = io.BytesIO(), io.BytesIO()
    np.save(array, np.arange(numbers))
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("array.npy", array.getvalue())
        archive.writestr("schema.json", json.dumps({**state, "protocol": protocol}))
    return buffer.getvalue()


@pytest.fixture
def crafted(toys, stored) -> Callable[..., Any]:
    """Load a folder as serving does, whose model file was made by hand, with a right manifest."""

    def run(state: dict[str, Any], **options: Any) -> Any:
        folder, form = stored(toys.fitted(), "skops")
        (folder / form.model_file).write_bytes(_file(state, **options))
        manifest.write(folder)
        return load(folder, form, trusted=())

    return run


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_refused_before_anything_is_built(
    name: str, crafted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever it stands, alone or as the function of a transformer, it is named and refused."""
    monkeypatch.chdir(tmp_path)
    inside = _object(
        "sklearn.preprocessing._function_transformer.FunctionTransformer", func=HOSTILE[name]
    )
    for state in (HOSTILE[name], _object(_PIPELINE, steps=_list(_tuple(_json("a"), inside)))):
        with pytest.raises(IntegrityFailure, match="not trusted") as refused:
            crafted(state)

        assert "MLPLATFORM_REGISTRY__SKOPS_TRUSTED" == refused.value.field
    assert not (tmp_path / "CANARY").exists()


def test_an_older_protocol_is_refused(crafted) -> None:
    """Older protocols have other nodes, which name what they load elsewhere."""
    content = {"module_path": "os", "function": "system"}
    old = _node("FunctionNode", "numpy.log1p", content=content)

    with pytest.raises(IntegrityFailure, match="protocol 0"):
        crafted(old, protocol=0)


@pytest.mark.filterwarnings("ignore:Trying to unpickle")  # these states hold no version
def test_harmless_files_that_are_made_by_hand_load(crafted) -> None:
    """The files above are refused for what they hold, not for how they were made."""
    inside = _object(
        "sklearn.preprocessing._function_transformer.FunctionTransformer",
        func=_partial(_node("FunctionNode", "numpy.clip"), _array()),
    )
    engine = crafted(_object(_PIPELINE, steps=_list(_tuple(_json("a"), inside))))

    assert "SkopsEngine" == type(engine).__name__


def test_a_file_that_is_read_again_and_again_is_refused_before(crafted) -> None:
    """Each node that refers to an array reads it: what all of them read together is bounded."""
    many = _list(*(_array() for _ in range(2000)))

    with pytest.raises(IntegrityFailure, match="unpack to 1600256000"):
        crafted(many, numbers=100_000)


@pytest.mark.parametrize(
    "state",
    [
        {},
        _object(_PIPELINE, steps={"__loader__": "JsonNode"}),
        {**_array(), "file": "none.npy"},
        {**_array(), "__module__": ["numpy"]},
        _node("ObjectNode", _PIPELINE, content=_json(5)),
        _node("ObjectNode", _PIPELINE, content=_list(_json(5))),
        _node("NoSuchNode", "numpy.ndarray"),
        _node(
            "RandomGeneratorNode",
            "numpy.random._generator.Generator",
            content={"bit_generator": _dict(bit_generator=_json("seed")), "seed_seq": _dict()},
        ),
    ],
)
def test_a_file_that_makes_no_sense_is_one_error(state: dict[str, Any], crafted) -> None:
    """Whatever skops, NumPy or scikit-learn raise for it."""
    with pytest.raises(IntegrityFailure, match="can't be read"):
        crafted(state)


def test_no_file_decides_what_is_imported(crafted) -> None:
    """Names of modules that nothing has imported are refused without an import."""
    with pytest.raises(IntegrityFailure, match=r"tests\.test_pipeline"):
        crafted(_object("sklearn.tests.test_pipeline.NoFit"))

    assert "sklearn.tests.test_pipeline" not in sys.modules


def test_hooks_that_run_at_load_were_read() -> None:
    """A new scikit-learn that runs other code at load fails here until somebody has read it.

    Every class that is trusted has hooks in Python from the read modules only, and each of these
    is still there.
    """
    found: dict[str, set[str]] = {hook: set() for hook in skops_trust.READ_HOOKS}
    for name, module in sorted(sys.modules.items()):
        for member in list(vars(module).values()) if name.startswith("sklearn.") else ():
            if not isinstance(member, type) or member.__module__ != name:
                continue
            if skops_trust.trusted("ObjectNode", name, member.__name__):
                for hook, modules in found.items():
                    code = inspect.getattr_static(member, hook, None)
                    code = getattr(code, "__func__", code)
                    if inspect.isfunction(code):
                        modules.add(code.__module__)

    assert {hook: set(read) for hook, read in skops_trust.READ_HOOKS.items()} == found


def test_every_function_on_the_list_is_one_of_numpy() -> None:
    """A name that NumPy has dropped, or that reads or writes files, does not stay on the list."""
    files = {"load", "save", "savez", "loadtxt", "savetxt", "genfromtxt", "fromfile", "fromregex"}
    missing, names = [], {name.partition(".")[2] for name in skops_trust.ARRAY_FUNCTIONS}
    for name in names:
        owner = np.linalg if name.startswith("linalg.") else np
        if not callable(getattr(owner, name.rpartition(".")[2], None)):
            missing.append(name)

    assert ([], set()) == (missing, names & files)


@pytest.mark.parametrize("name", ["scipy.stats._distn_infrastructure.rv_frozen", "builtins.type"])
def test_types_outside_of_the_rules_are_refused(name: str) -> None:
    """No kind of node may carry them."""
    module, _, last = name.rpartition(".")
    kinds = ("ObjectNode", "TypeNode", "FunctionNode", "ListNode", "NoSuchNode")

    assert [False] * 5 == [skops_trust.trusted(kind, module, last) for kind in kinds]
