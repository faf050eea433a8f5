"""A first version of a pipeline, written from the rows that it is to learn from."""
