"""The network that pytorch_config.yaml describes, judged without loading PyTorch."""
