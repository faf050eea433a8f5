"""Predict with the promoted version; every request is on disk before its response leaves."""
