"""The page `/`: how the service is, at a glance; one HTML document that needs no script and nothing from elsewhere."""
