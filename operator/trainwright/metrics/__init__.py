"""What the operator reads of its trainers, and what it says of itself, in Prometheus' words."""
