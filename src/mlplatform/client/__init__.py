"""Our own client of the data API: what trainer, serving and the command line use.

Speaks HTTP and Arrow, never SQL.
"""
