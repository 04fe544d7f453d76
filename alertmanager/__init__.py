"""Who is told of alerts: the Compose profile `alerts`."""
