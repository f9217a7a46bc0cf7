"""One file a family: primitives with forward, shape and gradient, and the functions written in them."""
