"""A study as an HTTP service, and the client of one: `luthier serve` and `luthier.web.client.connect`.

Nothing is imported here: the client needs httpx alone, the server FastAPI.
"""
