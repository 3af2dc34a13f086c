"""Training of networks, their weights, and synthetic training images."""
