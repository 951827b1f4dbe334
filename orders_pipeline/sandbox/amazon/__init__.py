"""Amazon's Selling Partner API as the sandbox serves it."""
