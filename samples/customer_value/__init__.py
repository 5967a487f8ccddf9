"""The customer value sample: real purchases, and a pipeline that tells who will buy again."""
