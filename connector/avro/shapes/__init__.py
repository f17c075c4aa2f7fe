"""What a change is: the envelopes that CRM and CDC tools put around a row, taken off in columns."""
