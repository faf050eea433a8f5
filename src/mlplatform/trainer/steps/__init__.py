"""The steps of a training run: one verb a file, called in order by `mlplatform.trainer.run`."""
