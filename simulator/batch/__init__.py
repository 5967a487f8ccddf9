"""Batch endpoints, invoked."""
