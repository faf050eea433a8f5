"""Proving stored records: walk their chains, compare them with checkpoints, sign and export.

See docs/concepts/evidence.md.
"""
