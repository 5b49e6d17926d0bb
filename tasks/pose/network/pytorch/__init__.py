"""PyTorch networks: loading, preprocessing, and faster forms that give the same answer."""
