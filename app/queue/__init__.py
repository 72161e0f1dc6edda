"""Everything that says RQ or Redis: enqueue, look up, control."""
