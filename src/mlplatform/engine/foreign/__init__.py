"""Model files from elsewhere, read once, in a child process of a training. Serving has none of it.

`apart` is the side of the training; `child` and everything that it imports runs behind it.
"""
