"""The threads of a server: who takes and serves clients, who watches over them, and who reads away what nobody reads."""
