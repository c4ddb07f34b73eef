"""What may be wrong around a run, before and beside what AWS says: each thing looked at is one check."""
