"""From a change to a row, from rows to a window; pure, in columns, no I/O."""
