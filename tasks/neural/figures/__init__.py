"""Figures of neural activity and correlations across states."""
