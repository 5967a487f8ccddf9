"""A local Azure Functions host on Microsoft's own worker library. Run it with `python -m devhost`."""
