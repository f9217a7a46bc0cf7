"""The same server as replicas of a Ray Serve deployment, on one machine or many."""
