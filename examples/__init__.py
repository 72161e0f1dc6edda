"""A small FastAPI application of your own, with jobs in it: `python -m examples`."""
