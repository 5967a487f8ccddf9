"""The parts of the composition root, which `shared.app` puts together."""
