"""AWS: the route of a wave in the parameter store."""
