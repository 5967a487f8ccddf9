"""What an operator does across the rooms."""
