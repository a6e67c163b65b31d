"""The trainers that run inside a TrainingJob's pods: one package a framework, and the runtime they share."""
