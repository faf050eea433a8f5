"""mlplatform: keeps tabular models alive, from the request that comes in to the retrained version that answers the next one."""

__version__ = "0.1.0"
__all__ = ["__version__"]
