"""Tests of the look into movies."""
