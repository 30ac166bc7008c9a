"""Tests of the engine: allocation, placement and both together, against the reference and by hand."""
