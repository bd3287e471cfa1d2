"""The services, a module each: what they answer. Paths as the SDK builds them."""
