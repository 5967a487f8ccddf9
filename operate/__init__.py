"""What an operator runs from a laptop against an account, beside the app."""
