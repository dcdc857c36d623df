"""A study as an HTTP service: `luthier serve`. Nothing is imported here: FastAPI is needed only where it runs."""
