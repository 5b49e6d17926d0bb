"""Child processes that can really be ended. No Prefect, no DeepLabCut."""
