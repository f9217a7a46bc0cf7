"""Kept on the device's disk until a link is there: predictions, events, and the samples a model was unsure of."""
