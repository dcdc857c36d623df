"""Whole tasks, ready to tune: data, space and training together."""
