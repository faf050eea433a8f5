"""The command line: words to a process.

The only place that loads settings, and the only one that prints.
"""
