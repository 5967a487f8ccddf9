"""From this folder to Azure: the package that is deployed, and the keys of its functions."""
