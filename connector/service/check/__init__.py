"""The command `check`: what can be known before the first record is read, by questions that change nothing."""
