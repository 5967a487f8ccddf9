"""Azure ML for a laptop and for tests: its ARM side, its identity endpoint, and endpoints that can fail."""
