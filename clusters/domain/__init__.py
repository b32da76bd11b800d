"""Rules about clusters in plain Python."""
