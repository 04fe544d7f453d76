"""The language: a script's text, what it stands for, and the steps that a player takes."""
