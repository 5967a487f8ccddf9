"""Azure as code, and what an operator runs from a laptop: the package, keys, doctor, restore, what verifies Azure."""
