"""What runs iam-lens for test_access_against_iam_lens.py. Nothing of iam-lens is in this repository."""
