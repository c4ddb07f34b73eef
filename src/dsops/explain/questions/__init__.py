"""A failed call -> the questions that AWS put to policies for it, with all that is known of caller and context."""
