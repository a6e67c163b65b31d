"""The PyTorch trainer: `python -m trainwright_trainers.pytorch` runs one step."""
