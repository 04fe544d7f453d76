"""What the exit status of the command line says; where several fit, the first."""

INTERNAL_ERROR = 70
CANNOT_WRITE = 74
BAD_SCRIPT = 3
NEVER_CONNECTED = 4
RATE_NOT_HELD = 5
FAILED = 1
