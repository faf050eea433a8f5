"""mlplatform keeps tabular models alive, from a request to the next version trained on it."""

__version__ = "0.1.0"
__all__ = ["__version__"]
