"""Deployment of the product, and a demo to try it."""
