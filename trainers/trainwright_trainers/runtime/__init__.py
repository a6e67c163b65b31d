"""What every framework's trainer shares: the contract with the operator, checkpoints, signals, progress."""
