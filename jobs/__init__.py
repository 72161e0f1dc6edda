"""The task functions: your own, and the ones that are shipped to be used and copied."""
