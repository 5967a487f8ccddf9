"""Does everything stand that this app needs? Each subject's checks, and what mends each failure."""
