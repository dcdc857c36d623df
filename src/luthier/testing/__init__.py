"""The contracts as test suites that any sampler, scheduler or store can be run through, with pytest."""
