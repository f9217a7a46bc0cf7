"""A server under load: what is sent, over how many connections, how long each answer took."""
