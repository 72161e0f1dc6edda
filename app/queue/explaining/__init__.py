"""Why a job has not run yet, or why it ended as it did, in a sentence and in fields."""
