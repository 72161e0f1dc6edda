"""Execution of jobs; nothing here knows of HTTP."""
