"""What a model archive holds, and the DeepLabCut project that runs it."""
