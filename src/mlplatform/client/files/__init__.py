"""Files that people have: which format, how compressed, and their rows in bounded pieces."""
