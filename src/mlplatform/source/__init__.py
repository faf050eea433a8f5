"""The git repository in which data scientists keep their pipelines. Works without a git program."""
