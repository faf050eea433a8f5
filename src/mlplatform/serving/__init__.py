"""Answer predictions with the promoted version, and have every answered request on disk before the answer leaves."""
