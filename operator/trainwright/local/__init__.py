"""Runs a TrainingJob on this machine: the same child Jobs, as processes on 127.0.0.1, driven by the same planner."""
