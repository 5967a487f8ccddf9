"""The code of the pipeline's steps: what Azure ML would upload as the components' code folder."""
