"""Several models as one: declared in a small file, wired together, served like a model."""
