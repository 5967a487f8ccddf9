"""Real models and real data for the local stack and the demo."""
