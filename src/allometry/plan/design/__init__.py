"""What runs can tell, and the runs to make next."""
