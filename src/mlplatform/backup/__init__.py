"""Snapshots of the registry: metadata and files as one, verified, restorable."""
