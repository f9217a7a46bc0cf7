"""HTTP with the standard library, for one device: a model asked over REST, a camera's picture as a stream, metrics."""
