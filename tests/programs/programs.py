"""All programs that are tried, by name."""

from tests.programs import protocols, standard, web

PROGRAMS = {**standard.PROGRAMS, **web.PROGRAMS, **protocols.PROGRAMS}
