"""Benchmarks: what the tuner and its stores cost beside their peers, and which tuner needs fewest trainings.

Run from the root of the repository: `python -m bench.overhead`, `python -m bench.race`, `python -m bench.storage`.
"""
