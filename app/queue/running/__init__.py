"""The job that this process runs: its facts for the task, and its journal of lines and progress."""
