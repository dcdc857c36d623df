"""The contracts as test suites that any sampler, scheduler, store, executor or task can be run through, with pytest."""

import pytest as _pytest

# so that an assertion of a contract shows its values, as one of a test file does
_pytest.register_assert_rewrite(
    *(f"luthier.testing.{name}" for name in ("executors", "histories", "samplers", "schedulers", "stores", "tasks"))
)
