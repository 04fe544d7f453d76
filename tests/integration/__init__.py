"""Tests of the whole stack."""

import pytest

pytest.register_assert_rewrite("tests.integration.expectations", "tests.integration.session")
