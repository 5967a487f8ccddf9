"""Language detection: a model behind Microsoft's inference server, and documents to try it on."""
