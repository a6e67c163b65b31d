"""What the steps of every framework have in common: what they start from, and how they end."""
