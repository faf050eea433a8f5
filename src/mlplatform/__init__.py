"""mlplatform keeps tabular models alive, from a request to the next version trained on it.

For programs and notebooks: `mlplatform.connect()`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["__version__", "connect"]

if TYPE_CHECKING:  # and no `__getattr__`, so that a type checker sees a misspelt name
    from mlplatform.public import connect
else:

    def __getattr__(name: str) -> Any:
        """`connect`, imported when it is first used: every process imports this package."""
        if name == "connect":
            return import_module("mlplatform.public").connect
        raise AttributeError(f"module 'mlplatform' has no attribute '{name}'")
