"""The git repository in which data scientists keep their pipelines. No git program is needed."""
