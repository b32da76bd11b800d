"""Benchmarks: figures from real runs, printed beside what we aim at and beside a peer measured in the same run. Never timed tests."""
