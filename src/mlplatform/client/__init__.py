"""Typed clients of the data API and of serving: what trainer, serving and the command line use.

Speaks HTTP and Arrow, never SQL.
"""
