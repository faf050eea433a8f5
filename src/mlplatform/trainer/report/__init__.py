"""What a run leaves for people: the gate report, plots, lineage, and a summary."""
