"""Everything on one machine: `make up` with its own Redis, its processes and its terminal."""
