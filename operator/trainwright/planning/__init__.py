"""Decides what to do next: pure functions of what is seen and what time it is. No I/O, no clock."""
