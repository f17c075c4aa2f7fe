"""What an operator meets: settings, command line, health, metrics, logs; puts the parts together."""
