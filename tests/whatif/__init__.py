"""Tests of what would be if."""
