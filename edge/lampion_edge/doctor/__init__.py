"""Looks for what keeps models from running here, or from running well; needs neither numpy nor onnxruntime to start."""
