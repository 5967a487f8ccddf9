"""How fast is it, against what one would write instead? Ratios, each measured in one interleaved run."""
