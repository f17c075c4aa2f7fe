"""The command `preview`: records through the whole mapping, up to the body of a call that is not made."""
