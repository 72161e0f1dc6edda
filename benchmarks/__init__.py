"""How fast the service is, side by side with its baselines: `make bench`.

Not part of the package: nothing of `app` imports it.
"""
