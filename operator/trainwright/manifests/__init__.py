"""The child objects of a TrainingJob, as plain dicts: pure functions of the job and of where it runs."""
