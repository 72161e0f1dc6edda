"""Callbacks are sent from here, by jobs of their own; the catalogue finds the task by its name."""
