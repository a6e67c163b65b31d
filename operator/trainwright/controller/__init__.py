"""Runs TrainingJobs on a cluster: kopf watches, a work queue decides when, the planner decides what."""
