"""Tests of the engine: allocation, placement and both together, against the reference and by hand."""

import pytest

pytest.register_assert_rewrite("tests.engine.judging", "tests.engine.shapes")
