"""The command `init`: settings to begin with, made from a topic's newest schema."""
