"""The stream of events, read once for a process, and handed to whoever waits or watches."""
