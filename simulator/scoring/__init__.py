"""Scoring endpoints: managed ones before a real model, a bare one that echoes; all can be told to fail."""
