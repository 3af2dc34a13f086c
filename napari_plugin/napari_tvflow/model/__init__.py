"""What the docks decide and compute, in plain Python without Qt."""
