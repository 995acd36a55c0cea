"""What runs identify, and the runs to make next."""
