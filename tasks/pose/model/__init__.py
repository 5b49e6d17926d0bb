"""Contents of a model archive, and the DeepLabCut project that runs the model."""
