"""Tests of kalloc: they mirror the package."""
