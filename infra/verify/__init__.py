"""What this project takes for granted about Azure, looked at in a subscription: `make verify-azure`."""
