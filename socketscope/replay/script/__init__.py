"""The script language: its text, its constructs, and the programs they compile to."""
