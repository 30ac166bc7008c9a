"""What kalloc takes and what it proves, measured: ``python -m tests.benchmarks``."""
