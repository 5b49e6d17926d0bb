"""The process that looks after runs, and the notices that it sends."""
