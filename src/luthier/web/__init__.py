"""A study as an HTTP service, and the client of one: `luthier serve` and `luthier.connect`.

Nothing is imported here: the client needs httpx when it connects, the server FastAPI.
"""
