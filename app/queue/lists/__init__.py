"""The lists of jobs, read a page at a time off the indexes that the changes keep."""
