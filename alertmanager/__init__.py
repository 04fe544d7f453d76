"""Alert notifications: the Compose profile `alerts`."""
