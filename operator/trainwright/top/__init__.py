"""The jobs of a cluster as a table that follows them."""
