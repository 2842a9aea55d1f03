"""What many hosts would hold: reckoned from the costs of the parts, which are measured."""
