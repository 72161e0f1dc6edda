"""`python -m app doctor`: a deployment checked, each finding with what is wrong and the remedy."""
