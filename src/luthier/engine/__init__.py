"""The engine: a study at work in this process, and the runs of `optimize` over it."""
