"""Conversations with servers: scripted, played and checked, measured, shown, and recorded."""
