"""mlplatform keeps tabular models alive, from a request to the retrained version that serves next."""

__version__ = "0.1.0"
__all__ = ["__version__"]
