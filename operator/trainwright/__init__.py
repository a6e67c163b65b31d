"""Trainwright: one Kubernetes object from distributed training to an exported model, each step held to a gate."""

__version__ = "0.1.0"
