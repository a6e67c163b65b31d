"""What the trainers are compared with: a training loop as one writes it by hand, one file a framework.

Each file has `timed_model`, the trainer's model factory, and `train`, which trains the same model in every process of a
group until it is killed: no checkpoint, no log, no look at the loss. Nothing of the trainer is imported there.
"""
