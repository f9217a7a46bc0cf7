"""What runs for days: frames or sound come in, the newest is run, events go out."""
