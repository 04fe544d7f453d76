"""Conversations with servers: written as scripts, played and checked, measured, shown, and recorded."""
