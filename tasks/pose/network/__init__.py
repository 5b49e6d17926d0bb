"""Run a network over batches of frames: devices, lanes, checkpoints, and the engines."""
