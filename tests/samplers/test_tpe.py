from __future__ import annotations
from luthier.samplers.tpe import TPESampler
from luthier.testing.samplers import SamplerContract


class TestContract(SamplerContract):
    def make(self) -> TPESampler:
        return TPESampler()
