"""MLflow's tracking server and registry, as a process of the platform.

The third-party package `mlflow` has the same last name, and absolute imports keep the two apart.
Never run a file of this folder as a script: Python would put the folder `mlplatform` on its path,
and `import mlflow` would find this package.
"""
