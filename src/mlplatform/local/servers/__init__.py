"""The servers of local mode that are not ours: PostgreSQL and its standby, Kafka, MLflow."""
