"""The contracts as test suites that a sampler, a scheduler or a store of anyone's can be run through, with pytest."""
